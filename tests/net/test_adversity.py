"""What happens to a device in mid-run: interface, link, addresses, MTU and process. Each time traffic goes on.

    a (198.51.100.1) --- core --- b (198.51.100.2)
"""

import signal

import pytest
from harness import Kind, Capture, Pinger, bulk, first_reply, wait_for
from harness.network import CORE_ADDRESS
from wireguard import connected_pair, impatient

PATIENCE = 10
AGAIN_SECONDS = 15  # two tries of a handshake, which are 5 s apart
BULK_BYTES = 1 << 20
BULK_SECONDS = 60
TIMES = 3
REKEYS = 20
REKEY_SECONDS = 60
ANOTHER = "198.51.100.9"
PING_INTERVAL = 0.02


@pytest.fixture
def hosts(net):
    return net.public("a", "198.51.100.1"), net.public("b", "198.51.100.2")


def missing(pinger):
    """Numbers below the last answered that were not."""
    seen = {sequence for _, sequence in pinger.replies()}
    return sorted(set(range(1, max(seen))) - seen)


def test_20_sessions_follow_one_another_under_numbered_traffic_without_a_loss(hosts):
    a, b = connected_pair(hosts, impatient)
    with Capture(a.host.namespace, "eth0") as capture, Pinger(a.host, b.address, PING_INTERVAL, 1000) as pinger:
        sessions = lambda: sum(packet.kind is Kind.RESPONSE for packet in capture.packets())  # noqa: E731
        wait_for(lambda: sessions() >= REKEYS, REKEY_SECONDS, "so many sessions")
        pinger.more(10, PATIENCE)
        assert not missing(pinger)
    assert not set(a.drops()) | set(b.drops()), (a.drops(), b.drops())


def test_a_process_that_was_stopped_over_its_sessions_end_goes_on(hosts):
    """As a machine that sleeps."""
    a, b = connected_pair(hosts, impatient)
    for device in a, b:
        before = b.handshake(a)
        device.process.send_signal(signal.SIGSTOP)
        try:
            assert first_reply(a.host, b.address, 2.5) is None
        finally:
            device.process.send_signal(signal.SIGCONT)
        assert first_reply(a.host, b.address, AGAIN_SECONDS) is not None
        wait_for(lambda: b.handshake(a) > before, AGAIN_SECONDS, "another session")
        bulk(a.host, b.host, b.address, BULK_BYTES, BULK_SECONDS)


def test_an_interface_goes_down_and_up_under_traffic(hosts):
    a, b = connected_pair(hosts)
    with Pinger(a.host, b.address, PING_INTERVAL) as pinger:
        for device in (a, b) * TIMES:
            pinger.more(5, AGAIN_SECONDS)
            device.host.namespace.ip(f"link set {device.interface} down", f"link set {device.interface} up")
        pinger.more(20, AGAIN_SECONDS)
    assert b.process.poll() is None and a.process.poll() is None
    bulk(a.host, b.host, b.address, BULK_BYTES, BULK_SECONDS)


def test_a_flapping_link_costs_what_was_on_it(net, hosts):
    a, b = connected_pair(hosts)
    with Pinger(a.host, b.address, PING_INTERVAL) as pinger:
        for _ in range(TIMES):
            pinger.more(5, AGAIN_SECONDS)
            net.core.ip(f"link set {b.host.uplink.core_port} down", f"link set {b.host.uplink.core_port} up")
            # A link that goes down takes its routes and neighbours along.
            net.core.ip(
                f"neighbour replace {b.host.address} lladdr {b.host.uplink.address} dev {b.host.uplink.core_port} nud permanent",
                f"route replace {b.host.address}/32 dev {b.host.uplink.core_port}",
                f"address replace {CORE_ADDRESS}/32 dev {b.host.uplink.core_port}",
            )
        pinger.more(20, AGAIN_SECONDS)
    bulk(b.host, a.host, a.address, BULK_BYTES, BULK_SECONDS)


def test_an_outer_address_goes_and_another_comes(net, hosts):
    """The device binds to no address: its next packet comes from the new one, and the other side follows."""
    a, b = connected_pair(hosts)
    port, station = a.host.uplink.core_port, a.host.uplink.address
    net.core.ip(
        f"neighbour replace {ANOTHER} lladdr {station} dev {port} nud permanent", f"route add {ANOTHER}/32 dev {port}"
    )
    with Pinger(a.host, b.address, PING_INTERVAL) as pinger:
        pinger.more(5, PATIENCE)
        a.host.namespace.ip(f"address delete {a.host.address}/32 dev eth0")
        assert b.peer(a)["endpoint"].startswith(a.host.address)
        a.host.namespace.ip(
            f"address add {ANOTHER}/32 dev eth0",
            f"neighbour replace {CORE_ADDRESS} lladdr {a.host.uplink.other_address} dev eth0 nud permanent",
            f"route replace default via {CORE_ADDRESS} dev eth0 onlink",
        )
        pinger.more(20, AGAIN_SECONDS)
    assert b.peer(a)["endpoint"] == f"{ANOTHER}:{a.port}"
    bulk(b.host, a.host, a.address, BULK_BYTES, BULK_SECONDS)


def test_the_mtu_inside_changes_in_mid_run(hosts):
    a, b = connected_pair(hosts)
    for mtu in 1280, 1420, 600, 1400:
        for device in a, b:
            device.host.namespace.ip(f"link set {device.interface} mtu {mtu}")
        bulk(a.host, b.host, b.address, BULK_BYTES, BULK_SECONDS)
        bulk(b.host, a.host, a.address, BULK_BYTES, BULK_SECONDS)


def test_the_mtu_outside_shrinks_in_mid_run(net, hosts):
    """Our datagrams are cut then (IPv4 without DF), and UDP_SEGMENT refuses them (EMSGSIZE, EINVAL): no loss."""
    a, b = connected_pair(hosts)
    for mtu in 1400, 1300, 1500:
        for host in hosts:
            host.namespace.ip(f"link set eth0 mtu {mtu}")
        bulk(a.host, b.host, b.address, BULK_BYTES, BULK_SECONDS)
        bulk(b.host, a.host, a.address, BULK_BYTES, BULK_SECONDS)
    assert a.counters()["device"]["gso_fallbacks"] > 0
