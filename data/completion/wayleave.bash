# bash completion for wayleave(1)

# The names of peers that the daemon knows.
_wayleave_nodes() {
	wayleave status --json 2>/dev/null | sed -n 's/^      "name": "\([a-z0-9-]*\)".*/\1/p'
}

_wayleave() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
	local word line='' words=''
	local -i i

	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ $word == -* ]] || line+=" $word"
	done
	case $previous in
	-c | --config | -l | --log)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'ini yaml' -- "$current")
		return
		;;
	-i | --interface | --name | -n | --address | --endpoint | --listen-port | --count | --expires | --label)
		return
		;;
	esac
	case $line in
	'') words='hub up down status ping trust wg key version help --help --version' ;;
	' help') words='hub up down status ping trust wg key version' ;;
	' hub') words='init run node token restore log status --help' ;;
	' hub init') words='--address --endpoint --name --listen-port --help' ;;
	' hub run') words='--config --interface --verbose --help' ;;
	' hub node') words='add list show rename remove --help' ;;
	' hub node add'*) words='--name --address --force --qr --format --json --help' ;;
	' hub node list') words='--json --help' ;;
	' hub node show'*) words='--json --help' ;;
	' hub token') words='create list revoke --help' ;;
	' hub token create') words='--reusable --expires --label --json --help' ;;
	' hub token list') words='--json --help' ;;
	' hub log') words='--json --help' ;;
	' hub status') words='--json --help' ;;
	' up'*) words='--interface --config --name --foreground --log --verbose --help' ;;
	' down') words='--interface --help' ;;
	' status') words='--interface --json --watch --counters --help' ;;
	' ping') words="--interface --count --until-direct --help $(_wayleave_nodes)" ;;
	' ping '*) words='--interface --count --until-direct --help' ;;
	' trust') words="--interface --help $(_wayleave_nodes)" ;;
	' trust '*) words='--interface --help' ;;
	' wg'*) words='--foreground --workers --help' ;;
	' key') words='generate public preshared --help' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _wayleave wayleave
