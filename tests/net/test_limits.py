"""What a stranger can still do with what he is given: connections that prove nothing, and time.

    a public --- core --- hub 203.0.113.10
"""

import json
import os
import socket
import stat
import time

import pytest
from harness import Hub, ping, wait_for

HUB = "203.0.113.10"
CONTROL_PORT = 51821
CLOSED_SECONDS = 8


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB))


@pytest.fixture
def a(net, hub):
    return hub.node(net.public("a", "203.0.113.20"))


@pytest.mark.parametrize("last_word", [b"", b"\x34\0\0\0WLC1" + bytes(48)], ids=["silence", "false proof"])
def test_a_removed_nodes_half_open_connection_harms_nobody(net, hub, a, last_word):
    """A local user on a node connects and proves nothing; the node is removed before his time is up."""
    tcp = a.host.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    with tcp:
        tcp.settimeout(CLOSED_SECONDS)
        tcp.connect((hub.address, CONTROL_PORT))
        hub.hub("node", "remove", "a")
        tcp.sendall(last_word)
        try:
            assert tcp.recv(100) == b""
        except (ConnectionResetError, TimeoutError):
            pass  # the tunnel is gone, too
    assert hub.process.poll() is None, "the hub lives"
    assert hub.hub("node", "list").stdout.count("203.0.113.20") == 0
    b = hub.node(net.public("b", "203.0.113.30"))
    assert ping(b.host, hub.address) == 1


def test_refused_connections_do_not_fill_the_log(hub, a):
    for _ in range(100):
        tcp = a.host.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        with tcp:
            tcp.settimeout(CLOSED_SECONDS)
            tcp.connect((hub.address, CONTROL_PORT))
            tcp.sendall(b"\x34\0\0\0WLC1" + bytes(48))
            try:
                assert tcp.recv(100) == b""
            except ConnectionResetError:
                pass
    assert hub.log().count("link-refused") == 1
    counted = json.loads(hub.hub("status", "--json").stdout)
    assert counted["linked"] == 1 and counted["counters"]["links"]["without_proof"] == 100
    assert "links without_proof 100" in hub.hub("status").stdout
    assert a.is_connected()


def test_a_hubs_time_stamps_go_on_from_where_they_were(hub, a):
    """The node would refuse an initiation older than the last, and a clock may have been wrong by years."""
    path = os.path.join(hub.state, "hub.stamp")
    ahead = (int(time.time()) + 5 * 366 * 86400) * 1000000
    hub.stop()
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{ahead}\n")
    hub.start()
    wait_for(a.is_connected, CLOSED_SECONDS, "the node to be connected again")
    wait_for(lambda: _number(path) > ahead, CLOSED_SECONDS, "a mark beyond the old one")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def _number(path):
    with open(path, encoding="utf-8") as file:
        return int(file.read())
