"""Who has no business with the hub's control link gets nothing from it; and secrets stay where they belong.

    neighbour --- 10.9.0.0/24 --- hub 203.0.113.10 --- core --- a, b public
"""

import base64
import contextlib
import os
import socket
import sqlite3

import pytest
from harness import Hub, Node, first_reply, wait_for
from harness.daemon import ROOT

HUB = "203.0.113.10"
CONTROL_PORT = 51821
NOBODY = 65534
CLOSED_SECONDS = 8

BROWSER = (
    b"GET /map HTTP/1.1\r\nHost: 100.100.96.1:51821\r\nOrigin: http://evil.example\r\n"
    b"Sec-Fetch-Mode: cors\r\nCookie: a=b\r\n\r\n"
)
GUESSES = {
    "browser": BROWSER,
    "rebinding": b"POST /endpoints HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}",
    "right length, wrong proof": b"\x34\0\0\0WLC1" + bytes(48),
    "random frame": b"\x34\0\0\0" + os.urandom(52),
    "silence": b"",
    "too long": b"\xff\xff\xff\x7f",
    "empty": b"\0\0\0\0",
}


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB), options=("--verbose",))


@pytest.fixture
def a(net, hub):
    return hub.node(net.public("a", "203.0.113.20"), options=("--verbose",))


def connect(namespace, address, device=None):
    """A TCP connection to the control port, or None when it is refused or not answered."""
    tcp = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.settimeout(2)
    if device:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    try:
        tcp.connect((address, CONTROL_PORT))
    except OSError:
        tcp.close()
        return None
    return tcp


@pytest.mark.parametrize("guess", GUESSES.values(), ids=GUESSES.keys())
def test_a_local_user_on_a_node_gets_no_byte(hub, a, guess):
    """The tunnel address is right, so the connection stands; the proof is missing, so it is cut."""
    tcp = connect(a.host.namespace, hub.address)
    assert tcp, "the port should have answered at all"
    with tcp:
        tcp.settimeout(CLOSED_SECONDS)
        tcp.sendall(guess)
        try:
            assert tcp.recv(100) == b""
        except ConnectionResetError:
            pass
    assert a.is_connected()


def test_strangers_cannot_crowd_out_the_daemon(hub, a):
    crowd = [connect(a.host.namespace, hub.address) for _ in range(50)]
    try:
        a.kill()
        a.up()
    finally:
        for tcp in filter(None, crowd):
            tcp.close()


def test_a_neighbour_on_the_hubs_lan_gets_no_connection(net, hub, a):
    """Linux takes packets for any of its addresses on any interface; the listener must not."""
    neighbour = net.public("nb", "203.0.113.77")
    neighbour.cable("eth1", "10.9.0.2/24", hub.host, "eth1", "10.9.0.1/24")
    neighbour.namespace.ip(f"route add {hub.address}/32 via 10.9.0.1 dev eth1")
    assert first_reply(neighbour, hub.address, 2), "the weak host model: the address itself answers"
    assert connect(neighbour.namespace, hub.address) is None


def test_a_local_user_on_the_hub_gets_no_byte(hub, a):
    """Linux lets a host reach its own tunnel address; as that is no node's, the connection is cut at once."""
    tcp = connect(hub.host.namespace, hub.address)
    if tcp is None:
        return
    with tcp:
        tcp.settimeout(CLOSED_SECONDS)
        try:
            assert tcp.recv(100) == b""
        except ConnectionResetError:
            pass


def test_the_public_address_has_no_control_port(net, hub, a):
    assert connect(a.host.namespace, HUB) is None


def test_secrets_appear_nowhere(net, hub, a):
    """Private keys, tokens and the site secret: not in arguments, environments, logs, status, nor the database.
    The daemons run first as people start them, then as the systemd units do, whose journal is their stderr."""
    tokens = [hub.token(), hub.token(), hub.token("--reusable")]
    b, c = (Node(net.public(name, address), name) for name, address in (("b", "203.0.113.30"), ("c", "203.0.113.40")))
    b.join(tokens[0], options=("--verbose",))
    c.process = c.spawn("up", tokens[1], "-i", c.interface, "--foreground", "--verbose")
    c.await_hub()
    assert first_reply(b.host, c.address, 5)
    run_as_units(hub, a, b, c)
    assert first_reply(b.host, c.address, 10)
    secrets = {}
    for token in tokens:
        secrets |= forms_of_join(token)
    for daemon in hub, a, b, c:
        secrets |= forms_of("private key of " + daemon.name, private_key(daemon))
    places = dict(arguments_and_environments())
    for daemon in hub, a, b, c:
        places["log of " + daemon.name] = daemon.log().encode()
    for node in a, b, c:
        for words in (), ("--json",):
            done = node.command("status", "-i", node.interface, *words)
            places[f"status of {node.name} {words}"] = (done.stdout + done.stderr).encode()
    for words in ("node", "list"), ("token", "list"), ("node", "show", "a"):
        places[f"hub {words}"] = hub.hub(*words).stdout.encode()
    for words in ("status",), ("status", "--json"), ("log",), ("log", "--json"):
        places[f"hub {words}"] = hub.hub(*words).stdout.encode()
    for daemon in hub, a, b, c:
        places |= dict(files_below(daemon.state))
    places["dump of hub.db"] = dump(os.path.join(hub.state, "hub.db"))
    for daemon in hub, a, b, c:
        assert any(name.startswith(daemon.state) for name in places), "the search must have something to search"
        for name in "cmdline", "environ":
            assert places[f"/proc/{daemon.process.pid}/{name}"]
    found = [(what, where) for what, form in secrets.items() for where, content in places.items() if form in content]
    found = [hit for hit in found if not is_rightful(*hit)]
    assert not found
    assert b"203.0.113" in places["log of a"] + places["log of hub"], "the logs are not just empty"


def test_files_with_secrets_are_for_the_owner_only(hub, a):
    for daemon in hub, a:
        for folder in daemon.config, daemon.state:
            for path, content in files_below(folder):
                forms = forms_of("key", private_key(daemon)) | forms_of("site", site_secret(a))
                if any(form in content for form in forms.values()):
                    assert os.stat(path).st_mode & 0o077 == 0, path


def is_rightful(what, where):
    """The site secret belongs to the network's state, which the hub must keep, and to each node's map."""
    return what.startswith("site secret") and (".map" in where or "hub.db" in where)


def run_as_units(hub, *nodes):
    """Again, by the words of data/systemd. The hub's interface has a name of its own here, that is all."""
    for daemon in hub, *nodes:
        daemon.stop()
    hub.process = hub.spawn(*unit_words("wayleave-hub.service.in"), "-i", hub.interface)
    for node in nodes:
        words = [node.interface if word == "%i" else word for word in unit_words("wayleave@.service.in")]
        node.process = node.spawn(*words)
    for node in nodes:
        wait_for(node.is_connected, 20, f"{node.name} to be connected")


def unit_words(name):
    """What follows the program in ExecStart."""
    with open(os.path.join(ROOT, "data", "systemd", name), encoding="utf-8") as unit:
        line = next(line for line in unit if line.startswith("ExecStart="))
    return line.split()[1:]


def dump(path):
    """As `sqlite3 hub.db .dump` writes it."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump()).encode()


def forms_of(name, raw):
    """Every way in which 16 or 32 bytes could be written down."""
    url = base64.urlsafe_b64encode(raw).rstrip(b"=")
    return {
        name: raw,
        name + " (hex)": raw.hex().encode(),
        name + " (HEX)": raw.hex().upper().encode(),
        name + " (base64)": base64.b64encode(raw).rstrip(b"="),
        name + " (base64url)": url,
    }


def forms_of_join(text):
    """docs/protocol.md, section 6: network id 16, hub key 32, site secret 32, token id 8, token 16."""
    raw = base64.urlsafe_b64decode(text[4:] + "=" * (-len(text[4:]) % 4))
    site, token = raw[48:80], raw[88:104]
    return {
        "join string " + text[-6:]: text[4:].encode(),
        **forms_of("token " + text[-6:], token),
        **forms_of("site secret", site),
    }


def private_key(daemon):
    return _config_value(daemon, "PrivateKey")


def site_secret(node):
    return _config_value(node, "SiteSecret")


def _config_value(daemon, name):
    (file,) = [name for name in os.listdir(daemon.config) if name.endswith(".conf")]
    with open(os.path.join(daemon.config, file), encoding="utf-8") as config:
        line = next(line for line in config if line.startswith(name))
    return base64.b64decode(line.split("=", 1)[1].strip())


def arguments_and_environments():
    """Of every process on the machine."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        for name in "cmdline", "environ":
            try:
                with open(f"/proc/{process}/{name}", "rb") as file:
                    yield f"/proc/{process}/{name}", file.read()
            except OSError:
                pass  # ended meanwhile, or the kernel's


def files_below(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                yield os.path.join(path, name), file.read()
