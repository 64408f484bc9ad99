"""What wg(8) changes while traffic flows, and wg(8) itself while it does.

    a (198.51.100.1, wayleave) --- core --- b (198.51.100.2, wireguard-go)
"""

import re

import pytest
from device import Device, keys, wayleave, wireguard_go
from harness import Pinger, echoes, first_reply, ping, wait_for

pytestmark = pytest.mark.needs("wg", "wireguard-go")

PATIENCE = 10
MARKED = """table inet marked {
    counter seen {}
    chain out { type filter hook output priority 0; meta mark 0x77 udp dport %d counter name seen; }
}"""


@pytest.fixture
def devices(pair):
    a, b = (Device(host, host.name, kind, number).start() for number, (host, kind) in enumerate(zip(pair, (wayleave, wireguard_go)), 1))
    b.set_peer(a)
    a.set_peer(b, endpoint=b.host.address)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    return a, b


def test_another_listen_port_keeps_the_session(devices):
    a, b = devices
    before = a.handshake(b)
    with Pinger(a.host, b.address) as pinger:
        for port in 7001, 7002, 0:
            a.wg("set", a.interface, "listen-port", str(port))
            number = int(a.wg("show", a.interface, "listen-port").stdout)
            assert number == port or (not port and number)
            wait_for(lambda n=number: b.peer(a)["endpoint"] == f"{a.host.address}:{n}", PATIENCE, "b to follow")
            assert pinger.more(10, PATIENCE)
    assert a.handshake(b) == before


def test_another_private_key_ends_the_sessions_and_the_new_one_serves(devices):
    a, b = devices
    private, public = keys()
    with Pinger(a.host, b.address) as pinger:
        a.wg("set", a.interface, "private-key", "/dev/stdin", input=private)
        assert ping(b.host, a.address, wait_seconds=1) == 0, "the session of the old key is still there"
        b.wg("set", b.interface, "peer", a.public_key, "remove")
        b.wg("set", b.interface, "peer", public, "allowed-ips", f"{a.address}/32,{a.address6}/128")
        assert pinger.more(10, 2 * PATIENCE)
    assert int(b.peers()[public]["handshake"]) > 0
    assert a.wg("show", a.interface, "public-key").stdout.strip() == public


def test_the_same_private_key_again_changes_nothing(devices):
    a, b = devices
    before = a.handshake(b)
    a.wg("set", a.interface, "private-key", "/dev/stdin", input=a.private_key)
    assert a.handshake(b) == before
    assert echoes(a.host, b.address, 3, 56, PATIENCE) == 3


def test_the_mark_is_on_every_packet_from_then_on(devices):
    a, b = devices
    a.host.namespace.nft(MARKED % b.port)

    def marked():
        return int(re.search(r"packets (\d+)", a.host.run("nft", "list", "counter", "inet", "marked", "seen").stdout)[1])

    for mark, share in (("off", 0), ("0x77", 1), ("0x78", 0), ("0x77", 1), ("off", 0)):
        a.wg("set", a.interface, "fwmark", mark)
        before = marked()
        for _ in range(5):  # one by one: what goes at once is one packet to the counter (UDP_SEGMENT)
            assert echoes(a.host, b.address, 1, 56, PATIENCE) == 1
        assert marked() - before == 5 * share, mark


def test_looking_costs_no_packet(devices):
    a, b = devices
    with Pinger(a.host, b.address) as pinger:
        for _ in range(20):
            assert a.peers()[b.public_key]["endpoint"] == f"{b.host.address}:{b.port}"
        assert pinger.more(10, PATIENCE)
