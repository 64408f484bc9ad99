"""wg(8) at the interfaces of a hub and of a node: it may look, and it changes nothing.

    hub 203.0.113.10 --- core --- a 203.0.113.20
"""

import os
import socket
import stat

import pytest
from device import UAPI_FOLDER, keys
from harness import Hub, wait_for

pytestmark = pytest.mark.needs("wg")

PATIENCE = 10


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", "203.0.113.10"))


@pytest.fixture
def a(net, hub):
    return hub.node(net.public("a", "203.0.113.20"))


@pytest.fixture(params=["hub", "node"])
def daemon(request, hub, a):
    return {"hub": hub, "node": a}[request.param]


def uapi_socket(daemon):
    return os.path.join(UAPI_FOLDER, daemon.interface + ".sock")


def dump(daemon):
    lines = daemon.host.run("wg", "show", daemon.interface, "dump").stdout.splitlines()
    return [line.split("\t") for line in lines]


def settings(daemon):
    """What a change would show in: keys, port, mark; and of each peer all but counters and times."""
    own, *peers = dump(daemon)
    return own, [peer[:4] + peer[7:] for peer in peers]


def test_the_peers_of_a_node_and_its_hub_are_shown(hub, a):
    (private, public, port, mark), member = dump(a)
    assert public == a.key and port.isdigit() and mark == "off" and private != "(none)"
    assert member[2:4] == [hub.endpoint, f"{hub.address}/32"]
    wait_for(lambda: int(dump(a)[1][4]) > 0, PATIENCE, "the time of the handshake")
    shown = dump(hub)
    assert shown[0][2] == hub.endpoint.rsplit(":", 1)[1]
    assert shown[1][0] == a.key and shown[1][3] == f"{a.address}/32"
    assert shown[1][2] == f"{a.host.public}:{port}"
    everything = a.host.run("wg", "show", "all", "dump").stdout
    assert f"{a.interface}\t{private}\t{public}\t{port}\toff\n" in everything
    assert f"{hub.interface}\t{a.key}\t" in everything


def test_the_configuration_is_shown(daemon):
    shown = daemon.host.run("wg", "showconf", daemon.interface).stdout
    assert f"PrivateKey = {dump(daemon)[0][0]}" in shown and "[Peer]" in shown


CHANGES = {
    "private-key": ("private-key /dev/stdin", "private-key"),
    "listen-port": ("listen-port 7000", "listen-port"),
    "fwmark": ("fwmark 7", "fwmark"),
    "new peer": ("peer NEW allowed-ips 10.0.0.0/8", "peer=NEW"),
    "endpoint": ("peer OLD endpoint 192.0.2.1:5", "peer=OLD"),
    "allowed-ips": ("peer OLD allowed-ips 10.0.0.0/8", "peer=OLD"),
    "keepalive": ("peer OLD persistent-keepalive 1", "peer=OLD"),
    "preshared-key": ("peer OLD preshared-key /dev/stdin", "peer=OLD"),
    "remove": ("peer OLD remove", "peer=OLD"),
}


def test_nothing_can_be_changed_and_the_log_says_what_was_asked(daemon):
    before, (private, new), old = settings(daemon), keys(), dump(daemon)[1][0]
    for words, asked in CHANGES.values():
        words, asked = (text.replace("NEW", new).replace("OLD", old) for text in (words, asked))
        done = daemon.host.run("wg", "set", daemon.interface, *words.split(), input=private, check=False)
        assert done.returncode == 1 and "Operation not permitted" in done.stderr, words
        line = daemon.log().splitlines()[-1]
        assert "wg-refused" in line and asked in line and "remedy=" in line and daemon.interface in line
        assert settings(daemon) == before, words
    path = os.path.join(daemon.folder, "setconf")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"[Interface]\nPrivateKey = {private}\n")
    for command in "setconf", "syncconf", "addconf":
        assert daemon.host.run("wg", command, daemon.interface, path, check=False).returncode == 1
    assert settings(daemon) == before
    assert private not in daemon.log()


def test_it_is_for_root_only_and_goes_with_the_daemon(daemon):
    assert stat.S_IMODE(os.stat(uapi_socket(daemon)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(UAPI_FOLDER).st_mode) == 0o755
    daemon.stop()
    assert not os.path.exists(uapi_socket(daemon))


def test_without_the_socket_the_daemon_goes_on(daemon):
    os.unlink(uapi_socket(daemon))
    assert daemon.stop() == 0


def test_a_socket_of_another_program_is_left_alone(hub, a):
    a.stop()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(uapi_socket(a))
        other.listen()
        a.up()
        assert "wg-cannot-look" in a.log()
        a.stop()
        assert os.path.exists(uapi_socket(a))
