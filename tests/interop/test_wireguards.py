"""wayleave wg against other WireGuards (wireguard-go of Debian and of its backports, Debian's kernel in a virtual
machine), and against itself, each as initiator and as responder.

    a (198.51.100.1) --- core --- b (198.51.100.2)      inside: 10.9.0.1, fd09::1 --- 10.9.0.2, fd09::2
"""

import signal

import pytest
from device import KernelDevice, preshared_key, wayleave, wireguard_go, wireguard_go_of_backports
from harness import Capture, Kind, Nat, bulk, echoes, first_reply, wait_for

PATIENCE = 10  # seconds; one retry of a handshake takes 5
BULK_SECONDS = 60
BULK_BYTES = 100 << 20
SLOW_BULK_BYTES = 4 << 20  # with an emulated kernel
UDP = 17

OTHERS = {
    "wireguard-go": (wireguard_go, [pytest.mark.needs("wireguard-go")]),
    "backports-wireguard-go": (wireguard_go_of_backports, []),
    "kernel": (KernelDevice, []),
}
# Who makes the first handshake, and with whom.
IMPLEMENTATIONS = [
    *(pytest.param(wayleave, other, id=f"wayleave-to-{name}", marks=marks) for name, (other, marks) in OTHERS.items()),
    *(pytest.param(other, wayleave, id=f"{name}-to-wayleave", marks=marks) for name, (other, marks) in OTHERS.items()),
    pytest.param(wayleave, wayleave, id="wayleave-to-wayleave"),
]

pytestmark = pytest.mark.needs("wg")


def pytest_generate_tests(metafunc):
    if "initiator" in metafunc.fixturenames:
        metafunc.parametrize("initiator, responder", IMPLEMENTATIONS)


def assert_connected(a, b):
    assert first_reply(a.host, b.address, PATIENCE) is not None, "no answer over IPv4"
    assert first_reply(b.host, a.address6, PATIENCE) is not None, "no answer over IPv6"


def datagrams(capture):
    return [packet for packet in capture.packets() if packet.protocol == UDP]


def test_pings_of_both_families_over_ipv4_and_ipv6(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    assert b.peer(a)["endpoint"] == f"{a.host.address}:{a.port}"
    assert abs(a.handshake(b) - b.handshake(a)) <= 1
    for size in (1, 100, 1372):
        assert echoes(a.host, b.address, 5, size, PATIENCE) == 5
    a.set_peer(b, endpoint=b.host.address6)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    wait_for(
        lambda: b.peer(a)["endpoint"] == f"[{a.host.address6}]:{a.port}", PATIENCE, "b to see a's new address"
    )


def test_the_initiator_initiates_once(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    with Capture(a.host.namespace, "eth0") as capture:
        a.connect(b)
        assert_connected(a, b)
        kinds = [packet.kind for packet in datagrams(capture)]
    assert kinds[:2] == [Kind.INITIATION, Kind.RESPONSE]
    assert kinds.count(Kind.INITIATION) == 1
    assert set(kinds[2:]) == {Kind.DATA}


def test_packets_that_waited_for_the_handshake_arrive(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert echoes(a.host, b.address, 10, 56, PATIENCE) == 10


def test_a_preshared_key_works_and_a_wrong_one_does_not(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    secret = preshared_key()
    a.connect(b, "preshared-key", "/dev/stdin", input=secret)
    assert_connected(a, b)
    assert a.peer(b)["preshared_key"] == secret
    a.wg("set", a.interface, "peer", b.public_key, "remove")
    a.set_peer(b, "preshared-key", "/dev/stdin", endpoint=b.host.address, input=preshared_key())
    assert first_reply(a.host, b.address, 2) is None
    a.wg("set", a.interface, "peer", b.public_key, "remove")
    a.set_peer(b, "preshared-key", "/dev/stdin", endpoint=b.host.address, input=secret)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    changed = preshared_key()
    a.wg("set", a.interface, "peer", b.public_key, "remove")
    a.connect(b, "preshared-key", "/dev/stdin", input=changed)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    assert b.peer(a)["preshared_key"] == changed


@pytest.mark.parametrize("is_reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("family", [4, 6])
def test_tcp_bulk_arrives_whole(pair, started, initiator, responder, family, is_reverse):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    size = SLOW_BULK_BYTES if KernelDevice in (initiator, responder) else BULK_BYTES
    sender, receiver = (b, a) if is_reverse else (a, b)
    before = int(receiver.peer(sender)["rx_bytes"])
    seconds = bulk(
        sender.host, receiver.host, receiver.address if family == 4 else receiver.address6, size, BULK_SECONDS
    )
    assert int(receiver.peer(sender)["rx_bytes"]) - before > size
    print(f"{size * 8 / seconds / 1e6:.0f} Mbit/s")


def test_udp_of_many_sizes_arrives(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    sent = [bytes([number % 251]) * size for number, size in enumerate([0, 1, 15, 16, 17, 1000, 1391, 1392] * 10)]
    with a.host.namespace.socket() as source, b.host.namespace.socket() as sink:
        sink.bind((b.address, 7777))
        sink.settimeout(PATIENCE)
        for data in sent:
            source.sendto(data, (b.address, 7777))
            assert sink.recv(2048) == data


def test_a_peer_that_restarts_is_found_again(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    b.stop()
    b.start()
    b.set_peer(a, endpoint=a.host.address)
    # b has nothing but its configuration, and makes the handshake.
    assert first_reply(b.host, a.address, PATIENCE) is not None
    assert first_reply(a.host, b.address, PATIENCE) is not None


def test_a_peer_killed_without_a_word_is_found_again(pair, started, initiator, responder):
    if initiator is responder:
        pytest.skip("takes 15 s and shows nothing that the two others do not")
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    b.stop(signal.SIGKILL)
    b.start()
    b.set_peer(a)
    # a has a session that b forgot: it notices after KEEPALIVE + REKEY_TIMEOUT, 15 s.
    assert first_reply(a.host, b.address, 15 + PATIENCE) is not None


def test_roaming_is_followed_at_once(net, started, initiator, responder):
    home, cafe = (net.router(Nat.port_restricted(public), "192.168.1.0/24") for public in ("198.51.100.10", "198.51.100.20"))
    a = home.host("a")
    b = net.public("b", "198.51.100.2")
    a_device, b_device = started((a, b), (initiator, responder))
    a_device.connect(b_device)
    assert first_reply(a, b_device.address, PATIENCE) is not None
    a.move_behind(cafe)
    a_device.moved()
    assert first_reply(a, b_device.address, PATIENCE) is not None
    assert b_device.peer(a_device)["endpoint"].startswith("198.51.100.20:")


def test_a_responder_that_moved_is_followed_when_it_speaks(net, started, initiator, responder):
    if responder is wireguard_go:
        pytest.skip("Debian's wireguard-go goes on sending from the interface that is gone: ENETUNREACH")
    a, b = net.public("a", "198.51.100.1"), net.public("b", "198.51.100.2")
    home = net.router(Nat.port_restricted("198.51.100.20"), "192.168.1.0/24")
    a_device, b_device = started((a, b), (initiator, responder))
    a_device.connect(b_device)
    assert first_reply(a, b_device.address, PATIENCE) is not None
    b.move_behind(home)
    b_device.moved()
    assert first_reply(b, a_device.address, PATIENCE) is not None
    assert a_device.peer(b_device)["endpoint"].startswith("198.51.100.20:")
    assert first_reply(a, b_device.address, PATIENCE) is not None


def test_another_port_of_either_side_is_followed(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    for one, other in (a, b), (b, a):
        before = one.handshake(other)
        one.wg("set", one.interface, "listen-port", str(one.port + 100))
        assert first_reply(one.host, other.address, PATIENCE) is not None
        assert other.peer(one)["endpoint"] == f"{one.host.address}:{one.port + 100}"
        assert first_reply(other.host, one.address, PATIENCE) is not None
        assert one.handshake(other) == before, "the session was lost"


def test_a_keepalive_is_sent_without_traffic(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    with Capture(a.host.namespace, "eth0") as capture:
        a.connect(b, "persistent-keepalive", "1")
        wait_for(lambda: a.handshake(b), PATIENCE, "a handshake without traffic")
        before = len(datagrams(capture))
        wait_for(lambda: len(datagrams(capture)) >= before + 4, PATIENCE, "keepalives")
        assert {packet.size for packet in datagrams(capture)[before:]} == {32}


def test_a_packet_from_an_address_that_is_not_allowed_is_dropped(pair, started, initiator, responder):
    a, b = started(pair, (initiator, responder))
    a.connect(b)
    assert_connected(a, b)
    for device in (a, b):
        device.host.namespace.ip(f"address add 10.9.9.{device.port % 100}/32 dev {device.interface}")
    assert echoes(a.host, b.address, 3, 56, PATIENCE) == 3
    done = a.host.run("ping", "-n", "-c", "2", "-i", "0.1", "-W", "1", "-I", "10.9.9.1", b.address, check=False)
    assert " 0 received" in done.stdout
