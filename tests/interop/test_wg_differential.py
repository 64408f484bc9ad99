"""The same requests to `wayleave wg` and to Debian's wireguard-go: the same answers, and the same state after them.

Both devices have the same keys and ports, in namespaces of their own, and are up. Where we differ on purpose, the
case says how and why (`differs`)."""

import dataclasses
import threading

import pytest
from device import Device, keys, wayleave, wireguard_go
from uapi import connected, errors, hexadecimal, one_answer, set_request, state, talk

pytestmark = pytest.mark.needs("wg", "wireguard-go")

EINVAL, EPROTO, EADDRINUSE = -22, -71, -98
PRIVATE, PUBLIC = keys()
KNOWN, OTHER, NEW = (keys()[1] for _ in range(3))
OWN = hexadecimal(PUBLIC)
KNOWN_PEER, OTHER_PEER, NEW_PEER = (f"public_key={hexadecimal(key)}" for key in (KNOWN, OTHER, NEW))
ZERO = "0" * 64
# What every case starts from.
BASE = (
    f"private_key={hexadecimal(PRIVATE)}",
    "listen_port=7001",
    "fwmark=0",
    "replace_peers=true",
    KNOWN_PEER,
    "allowed_ip=10.1.0.0/16",
    "allowed_ip=fd01::/16",
    "endpoint=198.51.100.77:77",
    OTHER_PEER,
    "allowed_ip=10.2.0.0/16",
)


@dataclasses.dataclass
class Case:
    """lines of one set request. differs: why our errno or state is not theirs; error is always ours."""

    name: str
    lines: tuple
    error: int = 0
    differs: str = ""


def cases(error, prefix, *values, differs="", context=()):
    """One case per value of a key."""
    return [Case(f"{prefix}={value}", (*context, f"{prefix}={value}"), error, differs) for value in values]


def refused(*arguments, **options):
    return cases(EINVAL, *arguments, **options)


def taken(*arguments, **options):
    return cases(0, *arguments, **options)


PEER = {"context": (KNOWN_PEER,)}
WRONG_KEYS = ("", "00", ZERO[:-1], ZERO + "0", ZERO + "00", "g" + ZERO[1:], " " + ZERO[1:])
NO_U16 = ("", "-1", "65536", "+5", "5x", " 5", "5 ", "0x10", "18446744073709551617")

CASES = [
    Case("nothing", ()),
    # The device's part.
    *taken("private_key", hexadecimal(keys()[0]), hexadecimal(keys()[0]).upper(), "f" * 64, ZERO),
    *refused("private_key", *WRONG_KEYS),
    *taken("listen_port", "7002", "65535", "007003"),
    *refused("listen_port", *NO_U16),
    *taken("fwmark", "1", "4294967295", "0"),
    *refused("fwmark", "", "-1", "4294967296", "0x1", "1x"),
    *refused("replace_peers", "", "false", "True", "1"),
    Case("replace_peers=true", ("replace_peers=true",)),
    Case("replace_peers and a peer", ("replace_peers=true", NEW_PEER)),
    *refused("nonsense", "1"),
    *refused("protocol_version", "1"),
    *refused("Listen_port", "7002"),
    *refused("endpoint", "192.0.2.1:5"),
    Case("no key", ("=5",), EINVAL),
    Case("no equals sign", ("listen_port",), EPROTO),
    Case("carriage return", ("listen_port=7002\r",), EINVAL, "Go's scanner cuts it off; no client sends it"),
    Case("blank before the key", (" listen_port=7002",), EINVAL),
    Case("two equals signs", ("listen_port=7002=",), EINVAL),
    Case("twice", ("listen_port=7002", "listen_port=7004")),
    # Whose peer.
    *taken("public_key", hexadecimal(NEW), hexadecimal(NEW).upper(), hexadecimal(KNOWN)),
    *refused("public_key", *WRONG_KEYS),
    *taken("public_key", OWN),
    *refused("public_key", ZERO, differs="no handshake can succeed with a point of low order"),
    *refused("public_key", "ee" + "ff" * 30 + "7f", "ff" * 32, differs="a second encoding of another key (security.md)"),
    Case("our own key, with everything", (f"public_key={OWN}", "allowed_ip=10.0.0.0/8", "endpoint=192.0.2.1:5")),
    Case("our own key becomes ours later", (NEW_PEER, f"public_key={OWN}", "remove=true")),
    Case("the same peer twice", (NEW_PEER, "allowed_ip=10.9.0.0/16", NEW_PEER, "allowed_ip=10.8.0.0/16")),
    Case("the device after a peer", (KNOWN_PEER, "listen_port=7002"), EINVAL),
    Case("replace_peers after a peer", (KNOWN_PEER, "replace_peers=true"), EINVAL),
    # What of it.
    *taken("remove", "true", **PEER),
    *refused("remove", "", "false", "1", **PEER),
    Case("remove an unknown peer", (NEW_PEER, "remove=true")),
    Case("remove, then more of it", (KNOWN_PEER, "remove=true", "allowed_ip=10.7.0.0/16", "endpoint=192.0.2.1:5")),
    Case("more of it, then remove", (KNOWN_PEER, "allowed_ip=10.7.0.0/16", "remove=true")),
    Case("remove and add again", (KNOWN_PEER, "remove=true", KNOWN_PEER, "allowed_ip=10.7.0.0/16")),
    *taken("update_only", "true", **PEER),
    *refused("update_only", "", "false", **PEER),
    Case("update_only of an unknown peer", (NEW_PEER, "update_only=true", "allowed_ip=10.2.0.0/16")),
    Case("update_only and remove", (KNOWN_PEER, "update_only=true", "remove=true")),
    Case("update_only and remove of an unknown peer", (NEW_PEER, "update_only=true", "remove=true")),
    *taken("protocol_version", "1", **PEER),
    *refused("protocol_version", "", "0", "2", "01", **PEER),
    *taken("preshared_key", hexadecimal(keys()[0]), ZERO, **PEER),
    *refused("preshared_key", *WRONG_KEYS, **PEER),
    *taken("endpoint", "192.0.2.1:5", "[2001:db8::1]:65535", "[2001:DB8:0::1]:7", "127.0.0.1:9", **PEER),
    *refused("endpoint", "", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "2001:db8::1:5", **PEER),
    *refused("endpoint", "example.com:5", "192.0.2.1:5x", "192.0.2.256:5", "[2001:db8::1]", "[2001:db8::1]5", **PEER),
    *refused("endpoint", "01.2.3.4:5", "[192.0.2.1]:5", "1.2.3:4", ":5", "[]:5", "192.0.2.1:0x5", **PEER),
    *taken("endpoint", "[::ffff:192.0.2.1]:5", **PEER),
    *taken("endpoint", "[::1]:5", "0.0.0.0:5", "255.255.255.255:5", "[ff02::1]:5", **PEER),
    *taken("endpoint", "[fe80::1]:5", "192.0.2.1:00005", **PEER),
    *refused("endpoint", "192.0.2.1:0", "[2001:db8::1]:0", differs="nothing can be sent to port 0", **PEER),
    *refused("endpoint", "[fe80::1%lo]:5", differs="we keep no zone; theirs takes it, and shows it without", **PEER),
    *taken("persistent_keepalive_interval", "0", "25", "65535", **PEER),
    *refused("persistent_keepalive_interval", *NO_U16, "off", **PEER),
    *taken("replace_allowed_ips", "true", **PEER),
    *refused("replace_allowed_ips", "", "false", **PEER),
    Case("replace_allowed_ips between", (KNOWN_PEER, "allowed_ip=10.7.0.0/16", "replace_allowed_ips=true", "allowed_ip=10.6.0.0/16")),
    Case(
        "replace_allowed_ips after a prefix of another peer",
        (KNOWN_PEER, "allowed_ip=10.2.0.0/16", "replace_allowed_ips=true"),
        differs="said and taken back in one request: the other peer keeps its own, and a set is done whole",
    ),
    Case("replace_allowed_ips of a peer that goes", (KNOWN_PEER, "remove=true", "replace_allowed_ips=true")),
    *taken("allowed_ip", "10.7.0.0/16", "0.0.0.0/0", "::/0", "10.7.1.2/32", "fd07::1/128", "10.1.0.0/16", **PEER),
    *taken("allowed_ip", "10.7.255.255/9", "fd07:ffff::1/17", "255.255.255.255/1", "::ffff:10.0.0.0/104", **PEER),
    *refused("allowed_ip", "", "10.7.0.0/33", "fd07::/129", "10.7.0.0/-1", "10.7.0.0/", "/8", "10.7/16", **PEER),
    *refused("allowed_ip", "10.7.0.0/255.255.0.0", "10.7.0.0/16 ", "fd07::%lo/16", "any/0", "10.7.0.0/16,10.8.0.0/16", **PEER),
    *refused("allowed_ip", "10.7.0.1", "fd07::1", "010.7.0.0/16", **PEER),
    *taken("allowed_ip", "10.7.0.0/08", **PEER),
    *taken("allowed_ip", "-10.1.0.0/16", "-10.99.0.0/16", differs="removal, which is newer than this wireguard-go", **PEER),
    *refused("allowed_ip", "+10.1.0.0/16", "--10.1.0.0/16", **PEER),
    Case("an allowed IP moves", (OTHER_PEER, "allowed_ip=10.1.0.0/16")),
    Case("an allowed IP moves when its host bits are cut", (OTHER_PEER, "allowed_ip=10.1.2.3/16")),
    Case("an allowed IP is in two peers of one request", (KNOWN_PEER, "allowed_ip=10.5.0.0/16", OTHER_PEER, "allowed_ip=10.5.0.0/16")),
    Case("a longer one moves nothing", (OTHER_PEER, "allowed_ip=10.1.1.0/24")),
    Case("both families at once", (OTHER_PEER, "allowed_ip=0.0.0.0/0", "allowed_ip=::/0")),
    *refused("nonsense", "1", **PEER),
    Case("no equals sign in a peer", (KNOWN_PEER, "endpoint"), EPROTO),
    # Longer than any value.
    *refused("endpoint", "1" * 200, "1" * 5000, **PEER),
]


@pytest.fixture
def devices(pair):
    ours, theirs = (Device(host, host.name, implementation, 1) for host, implementation in zip(pair, (wayleave, wireguard_go)))
    for device in ours, theirs:
        device.start()
    return ours, theirs


def reset(devices):
    for device in devices:
        assert talk(device.socket, set_request(*BASE)) == b"errno=0\n\n"
    ours, theirs = (state(device.socket) for device in devices)
    assert ours == theirs
    return ours


def difference(ours, theirs):
    """The lines of one side only."""
    sides = [{line for block in (side[0], *side[1]) for line in block} for side in (ours, theirs)]
    return f"only ours {sides[0] - sides[1]}, only theirs {sides[1] - sides[0]}"


def test_every_key_is_taken_or_refused_alike(devices):
    ours, theirs = devices
    wrong = []
    for case in CASES:
        before = reset(devices)
        answers = [errors(talk(device.socket, set_request(*case.lines))) for device in devices]
        states = [state(device.socket) for device in devices]
        if answers[0] != [case.error]:
            wrong.append(f"{case.name}: {answers[0]}, not {case.error}")
        if case.error and states[0] != before:
            wrong.append(f"{case.name}: refused, and yet something changed")
        if (answers[0] == answers[1] and states[0] == states[1]) == bool(case.differs):
            wrong.append(f"{case.name}: {answers}, {difference(*states)}; {case.differs or 'no reason'}")
    assert not wrong, "\n".join(wrong)


def test_a_port_in_use_has_the_same_errno(devices):
    reset(devices)
    for device in devices:
        with device.host.namespace.socket() as other:
            other.bind(("0.0.0.0", 6000))
            assert errors(talk(device.socket, set_request("listen_port=6000"))) == [EADDRINUSE]
    ours, theirs = (state(device.socket)[0] for device in devices)
    # Theirs has no socket any more.
    assert "listen_port=7001" in ours and not any(line.startswith("listen_port=") for line in theirs)
    for device in devices:
        assert errors(talk(device.socket, set_request("listen_port=6000"))) == [0]
    assert state(devices[0].socket) == state(devices[1].socket)


def test_any_port_and_any_mark(devices):
    reset(devices)
    for device in devices:
        assert errors(talk(device.socket, set_request("listen_port=0", "fwmark=77"))) == [0]
        (line,) = [line for line in state(device.socket)[0] if line.startswith("listen_port=")]
        assert line not in ("listen_port=0", "listen_port=7001") and "fwmark=77" in state(device.socket)[0]


def test_a_new_private_key_drops_the_peer_that_has_it(devices):
    reset(devices)
    private, public = keys()
    for lines in ((f"public_key={hexadecimal(public)}",), (f"private_key={hexadecimal(private)}",)):
        for device in devices:
            assert errors(talk(device.socket, set_request(*lines))) == [0]
        ours, theirs = (state(device.socket) for device in devices)
        assert ours == theirs
        assert (len(ours[1]) == 3) == ("public_key" in lines[0])


# What is said on a connection, then no more. Answers: the errno of each; no number is a close without one.
CONVERSATIONS = [
    ("a get", b"get=1\n\n", [0], ""),
    ("a set", set_request("fwmark=1"), [0], ""),
    ("nothing", b"", [], ""),
    ("an operation cut off", b"set=", [], ""),
    ("a get cut off", b"get=1\n", [], ""),
    ("an error, and more lines", set_request("fwmark=x", "listen_port=7002", KNOWN_PEER), [EINVAL], ""),
    ("a get with a line", b"get=1\nx=1\n\n", [EINVAL], ""),
    ("two gets", b"get=1\n\nget=1\n\n", [0, 0], ""),
    ("an unknown operation", b"put=1\n\n", [EPROTO], "we say why"),
    ("an unknown version", b"set=2\nfwmark=1\n\n", [EPROTO], "we say why"),
    ("an empty line", b"\n", [EPROTO], "we say why"),
    ("an empty line before a get", b"\nget=1\n\n", [EPROTO, 0], "we say why, and go on"),
    ("a carriage return", b"get=1\r\n\r\n", [], ""),
    ("random bytes", bytes(range(256)) * 100, [], ""),
    ("a set cut off", b"set=1\nfwmark=1\n", [], "theirs does what is half said; the rest may have named the peers"),
    ("two sets", set_request("fwmark=1") + set_request("listen_port=7002"), [0, 0], "theirs loses what came early"),
    ("a line of 100 kB", set_request("endpoint=" + "1" * 100000), [EINVAL], "theirs: EIO"),
    ("5 MB without an end", b"set=1\n" + b"fwmark=1\n" * 600000, [], "bounded at 4 MiB; theirs takes any amount"),
    ("a null byte", b"set=1\nfwmark=1\0\n\n", [EINVAL], ""),
]


def test_conversations_have_the_same_answers(devices):
    wrong = []
    for name, request, expected, differs in CONVERSATIONS:
        reset(devices)
        answers = [errors(talk(device.socket, request)) for device in devices]
        states = [state(device.socket) for device in devices]
        if answers[0] != expected:
            wrong.append(f"{name}: {answers[0]}, not {expected}")
        if (answers[0] == answers[1] and states[0] == states[1]) == bool(differs):
            wrong.append(f"{name}: {answers}, {difference(*states)}; {differs or 'no reason'}")
    assert not wrong, "\n".join(wrong)


def test_a_connection_carries_one_operation_after_the_other(devices):
    for device in devices:
        with connected(device.socket) as uapi:
            for mark in range(1, 4):
                uapi.sendall(set_request(f"fwmark={mark}"))
                assert one_answer(uapi) == b"errno=0\n\n"
                uapi.sendall(b"get=1\n\n")
                assert f"fwmark={mark}\n".encode() in one_answer(uapi)
            uapi.sendall(set_request("fwmark=x"))
            assert one_answer(uapi) == b"errno=-22\n\n"


def test_bytes_may_come_one_by_one(devices):
    for device in devices:
        with connected(device.socket) as uapi:
            for byte in set_request("fwmark=9", KNOWN_PEER, "allowed_ip=10.0.0.0/8"):
                uapi.sendall(bytes([byte]))
            assert one_answer(uapi) == b"errno=0\n\n"


def test_many_clients_at_once_are_all_answered(devices):
    reset(devices)
    for device in devices:
        crowd = [connected(device.socket) for _ in range(50)]
        for uapi in crowd:
            uapi.sendall(b"get=1\n\n")
        answers = {b"".join(sorted(one_answer(uapi).splitlines(keepends=True))) for uapi in crowd}
        assert len(answers) == 1 and b"errno=0\n" in answers.pop()
        for uapi in crowd:
            uapi.close()


def test_who_never_finishes_is_in_nobodys_way(devices):
    """Theirs holds a lock from the first line of a set on: nobody can set, or look, until that client ends."""
    path = devices[0].socket
    with connected(path) as slow, connected(path) as idle:
        slow.sendall(b"set=1\nlisten_port=70")
        assert errors(talk(path, b"get=1\n\n")) == [0]
        assert errors(talk(path, set_request("fwmark=3"))) == [0]
        assert slow.recv(1) == b"", "an unfinished request should end the connection"
        idle.sendall(b"get=1\n\n")
        assert errors(one_answer(idle)) == [0]


def test_a_get_never_sees_half_of_a_set(devices):
    """Two configurations in turn, of many peers each; whoever looks sees all of the one or of the other."""
    first, second = ([hexadecimal(keys()[1]) for _ in range(40)] for _ in range(2))
    requests = [
        set_request("replace_peers=true", *(f"public_key={key}\nallowed_ip=10.{i}.0.0/16" for i, key in enumerate(some)))
        for some in (first, second)
    ]
    for device in devices:
        assert errors(talk(device.socket, requests[0])) == [0]
        is_over = threading.Event()

        def toggle(path=device.socket, over=is_over):
            with connected(path) as uapi:
                while not over.is_set():
                    for request in reversed(requests):
                        uapi.sendall(request)
                        one_answer(uapi)

        thread = threading.Thread(target=toggle)
        thread.start()
        try:
            seen = [{block[0][len("public_key=") :] for block in state(device.socket)[1]} for _ in range(40)]
        finally:
            is_over.set()
            thread.join()
        assert all(some in (set(first), set(second)) for some in seen)


def test_a_large_answer_reaches_who_writes_no_more(devices):
    """Megabytes, to a client that closed its side before it began to read."""
    peers = [f"public_key={hexadecimal(keys()[1])}" for _ in range(20)]
    lines = [line for number, peer in enumerate(peers) for line in (peer, *(f"allowed_ip=10.{number}.{i}.{j}/32" for i in range(100) for j in range(10)))]
    for device in devices:
        assert errors(talk(device.socket, set_request("replace_peers=true", *lines))) == [0]
    ours, theirs = (state(device.socket) for device in devices)
    assert ours[1] == theirs[1] and sum(len(block) for block in ours[1]) > 20000


# What people do with wg(8), in one go; each command on both, and the same shown after each.
SCRIPT = [
    f"set IF peer {KNOWN} allowed-ips 10.1.0.0/16,fd01::/16 endpoint 198.51.100.77:77",
    f"set IF peer {OTHER} allowed-ips 10.1.2.0/24 endpoint [2001:db8::7]:7 persistent-keepalive 65535",
    f"set IF peer {NEW} preshared-key /dev/stdin",
    f"set IF peer {KNOWN} allowed-ips 0.0.0.0/0,::/0",
    f"set IF peer {OTHER} allowed-ips 10.9.8.7/16",
    f"set IF peer {KNOWN} allowed-ips ",
    f"set IF peer {PUBLIC} allowed-ips 10.6.0.0/16",
    f"set IF peer {KNOWN} persistent-keepalive off preshared-key /dev/null",
    "set IF fwmark 0xca6c",
    "set IF fwmark off",
    "set IF listen-port 7005",
    f"set IF peer {NEW} remove",
    f"set IF peer {NEW} remove",
    "addconf IF CONF",
    "syncconf IF CONF",
    "setconf IF CONF",
    "addconf IF CONF",
    "set IF private-key /dev/null",
]


def test_wg_shows_the_same_after_the_same_commands(devices):
    secret = keys()[0]
    reset(devices)
    for words in SCRIPT:
        shown = []
        for device in devices:
            path = f"{device.host.network.folder}/{device.name}.conf"
            with open(path, "w", encoding="ascii") as file:
                file.write(
                    f"[Interface]\nPrivateKey = {PRIVATE}\nListenPort = 7006\nFwMark = 5\n"
                    f"[Peer]\nPublicKey = {NEW}\nPresharedKey = {secret}\nAllowedIPs = 10.1.0.0/16, fd01::/16\n"
                    f"[Peer]\nPublicKey = {OTHER}\nEndpoint = 192.0.2.9:9\nPersistentKeepalive = 65535\n"
                )
            argv = [{"IF": device.interface, "CONF": path}.get(word, word) for word in words.split(" ")]
            done = device.wg(*argv, check=False, input=secret)
            rows = [line.split("\t") for line in device.wg("show", device.interface, "dump").stdout.splitlines()]
            rows = [row[:3] + sorted(row[3].split(",")) + row[7:] if len(row) > 4 else row for row in rows]
            conf = device.wg("showconf", device.interface).stdout
            conf = sorted(" ".join(sorted(block.replace(",", "").split())) for block in conf.split("\n\n"))
            shown.append((done.returncode, done.stderr.replace(device.interface, "IF"), rows[0], sorted(rows[1:]), conf))
        assert shown[0] == shown[1], words
    shown = []
    for device in devices:
        lines = device.wg("show", "all", "dump").stdout.splitlines()
        shown.append(sorted(sorted(",".join(line.split("\t")[1:5]).split(",")) for line in lines if line.startswith(device.interface + "\t")))
    assert shown[0] == shown[1] and len(shown[0]) == 1 + 2
