# fish completion for wayleave(1)

function __wayleave_nodes
    wayleave status --json 2>/dev/null | string replace -rf '^      "name": "([a-z0-9-]*)".*' '$1'
end

function __wayleave_at
    # __wayleave_at WORDS...: these are the words so far that are not options.
    set -l said (commandline -opc | string match -v -- '-*')
    test "$said[2..]" = "$argv"
end

function __wayleave_in
    # __wayleave_in WORDS...: the command line starts with these words.
    set -l said (commandline -opc | string match -v -- '-*')
    string match -q -- "$argv*" "$said[2..]"
end

complete -c wayleave -f
complete -c wayleave -l help -d 'explain, with examples'
complete -c wayleave -n '__wayleave_at' -l version -d 'print the version'
complete -c wayleave -n '__wayleave_at' -a hub -d 'the public rendezvous and its administration'
complete -c wayleave -n '__wayleave_at' -a up -d 'join a network and connect'
complete -c wayleave -n '__wayleave_at' -a down -d 'end a node'
complete -c wayleave -n '__wayleave_at' -a status -d 'peers and their paths'
complete -c wayleave -n '__wayleave_at' -a ping -d 'probe a peer'
complete -c wayleave -n '__wayleave_at' -a trust -d 'accept the new key of a peer'
complete -c wayleave -n '__wayleave_at' -a wg -d 'the userspace WireGuard device alone'
complete -c wayleave -n '__wayleave_at' -a key -d 'make WireGuard keys'
complete -c wayleave -n '__wayleave_at' -a version -d 'print the version'
complete -c wayleave -n '__wayleave_at' -a help -d 'explain a command'

complete -c wayleave -n '__wayleave_at key' -a 'generate public preshared'

complete -c wayleave -n '__wayleave_in up; or __wayleave_in down; or __wayleave_in status; or __wayleave_in ping; or __wayleave_in trust' -s i -l interface -x -d 'the instance'
complete -c wayleave -n '__wayleave_in up' -s c -l config -r -F -d 'config file'
complete -c wayleave -n '__wayleave_in up' -s n -l name -x -d 'of this node'
complete -c wayleave -n '__wayleave_in up; or __wayleave_in wg' -s f -l foreground -d 'stay in the foreground'
complete -c wayleave -n '__wayleave_in wg' -s w -l workers -x -a 'auto 1 2 3 4' -d 'threads that move data'
complete -c wayleave -n '__wayleave_in up' -s l -l log -r -F -d 'log file'
complete -c wayleave -n '__wayleave_in up' -s v -l verbose -d 'log more'
complete -c wayleave -n '__wayleave_in status' -s j -l json -d 'as JSON'
complete -c wayleave -n '__wayleave_in status' -s w -l watch -d 'every second'
complete -c wayleave -n '__wayleave_in status' -s c -l counters -d 'with drops by reason'
complete -c wayleave -n '__wayleave_in ping' -s c -l count -x -d 'how many'
complete -c wayleave -n '__wayleave_in ping' -s d -l until-direct -d 'stop when direct'
complete -c wayleave -n '__wayleave_at ping; or __wayleave_at trust' -a '(__wayleave_nodes)'

complete -c wayleave -n '__wayleave_at hub' -a init -d 'make key, config and registry, once'
complete -c wayleave -n '__wayleave_at hub' -a run -d 'be the hub, in the foreground'
complete -c wayleave -n '__wayleave_at hub' -a 'node token restore log status'
complete -c wayleave -n '__wayleave_at hub node' -a 'add list show rename remove'
complete -c wayleave -n '__wayleave_at hub token' -a 'create list revoke'
complete -c wayleave -n '__wayleave_in hub init; or __wayleave_in hub node add' -l address -x -d 'in the tunnel'
complete -c wayleave -n '__wayleave_in hub init' -l endpoint -x -d 'public name of the hub'
complete -c wayleave -n '__wayleave_in hub init; or __wayleave_in hub node add' -l name -x -d 'its name'
complete -c wayleave -n '__wayleave_in hub init' -l listen-port -x -d 'UDP port'
complete -c wayleave -n '__wayleave_in hub node add' -l force -d 'also a removed key'
complete -c wayleave -n '__wayleave_in hub node add' -l qr -d 'as a picture'
complete -c wayleave -n '__wayleave_in hub node add' -l format -x -a 'ini yaml' -d 'of the config'
complete -c wayleave -n '__wayleave_in hub run' -s c -l config -r -F -d 'config file'
complete -c wayleave -n '__wayleave_in hub run' -s i -l interface -x -d 'the interface'
complete -c wayleave -n '__wayleave_in hub run' -s v -l verbose -d 'log more'
complete -c wayleave -n '__wayleave_in hub token create' -l reusable -d 'more than once'
complete -c wayleave -n '__wayleave_in hub token create' -l expires -x -d 'duration'
complete -c wayleave -n '__wayleave_in hub token create' -l label -x -d 'what it is for'
complete -c wayleave -n '__wayleave_in hub node add; or __wayleave_in hub node show; or __wayleave_in hub token create; or __wayleave_in hub node list; or __wayleave_in hub token list; or __wayleave_in hub log; or __wayleave_in hub status' -l json -d 'as JSON'
