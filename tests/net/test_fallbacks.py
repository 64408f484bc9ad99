"""Every offload forced off, on one side at a time and on both: everything arrives, only with more system calls.

    a (198.51.100.1) --- core --- b (198.51.100.2)
"""

import json
import socket

import pytest
from harness import Hub, bulk, echoes, first_reply, wait_for
from wireguard import connected_pair

BULK_BYTES = 4 << 20
BULK_SECONDS = 60
ECHOES = 12  # at once: what a socket holds of the largest
PATIENCE = 10
UDP_SIZE, UDP_COUNT = 1200, 40
UDP_SEGMENT, SO_RCVBUFFORCE = 103, 33

# What is left out, and the calls that move one packet each then. One of sendmmsg() or recvmmsg() moves many
# messages also without offloads.
FORCED = [
    ("gso", []),
    ("gro", []),
    ("uso", []),
    ("vnet-header", ["tun_read", "tun_write"]),
    ("gso,gro,uso,vnet-header", ["tun_read", "tun_write"]),
]


@pytest.fixture
def hosts(net):
    return net.public("a", "198.51.100.1", "2001:db8:1::1"), net.public("b", "198.51.100.2", "2001:db8:2::1")


def datagrams_cross(sender, receiver, address):
    """A super-packet of UDP arrives as its datagrams, in order."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    parts = [bytes([number]) * UDP_SIZE for number in range(UDP_COUNT)]
    with receiver.namespace.socket(family) as sink, sender.namespace.socket(family) as out:
        sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        sink.settimeout(PATIENCE)
        sink.bind((address, 0))
        out.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, UDP_SIZE)
        out.sendto(b"".join(parts), sink.getsockname()[:2])
        assert [sink.recv(2 * UDP_SIZE) for _ in parts] == parts


def everything_crosses(a, b):
    """TCP and UDP in both families and directions, whose bytes are compared, and echoes up to the largest."""
    for address in b.address, b.address6:
        datagrams_cross(a.host, b.host, address)
    for address in a.address, a.address6:
        datagrams_cross(b.host, a.host, address)
    bulk(a.host, b.host, b.address, BULK_BYTES, BULK_SECONDS)
    bulk(b.host, a.host, a.address6, BULK_BYTES, BULK_SECONDS)
    bulk(b.host, a.host, a.address, BULK_BYTES, BULK_SECONDS)
    bulk(a.host, b.host, b.address6, BULK_BYTES, BULK_SECONDS)
    for size in 0, 1, 1392, 8000:
        assert echoes(a.host, b.address, ECHOES, size, PATIENCE) == ECHOES


def per_call(device):
    return device.counters()["packets_per_call"]


@pytest.mark.parametrize("words, forced", FORCED, ids=[words for words, _ in FORCED])
def test_without_an_offload_everything_arrives(hosts, words, forced):
    a, b = connected_pair(hosts, WAYLEAVE_WITHOUT=words)
    everything_crosses(a, b)
    for device in a, b:
        ratios = per_call(device)
        assert all(ratios[name] == 1.0 for name in forced), ratios
        drops = set(device.drops()) - {"staged-oldest"}
        assert not drops, drops


def test_with_all_of_them_calls_move_many_packets(hosts):
    a, b = connected_pair(hosts)
    everything_crosses(a, b)
    ratios = per_call(a)
    assert all(ratios[name] > 1.5 for name in ("tun_read", "tun_write", "udp_send")), ratios


@pytest.mark.parametrize("words", ["gso,gro,uso,vnet-header"])
def test_one_side_without_and_one_with_understand_each_other(hosts, words):
    a, b = connected_pair(hosts)
    b.stop()
    b.start(WAYLEAVE_WITHOUT=words)
    b.connect(a)
    assert first_reply(b.host, a.address, PATIENCE) is not None
    everything_crosses(a, b)


def test_hub_and_node_take_the_words_too(net, monkeypatch):
    monkeypatch.setenv("WAYLEAVE_WITHOUT", "vnet-header,gso")
    hub = Hub(net.public("hub", "203.0.113.10"))
    node = hub.node(net.public("node", "203.0.113.20"))
    bulk(node.host, hub.host, hub.address, BULK_BYTES, BULK_SECONDS)
    assert node.status()["counters"]["packets_per_call"]["tun_read"] == 1.0
    told = json.loads(hub.hub("status", "--json").stdout)
    assert told["counters"]["packets_per_call"]["tun_write"] == 1.0
    monkeypatch.setenv("WAYLEAVE_WITHOUT", "magic")
    node.down()
    node.up(is_awaited=False)
    wait_for(lambda: node.process.poll() is not None, PATIENCE, "the node to refuse")
    assert "gso, gro, uso, vnet-header" in node.log()

