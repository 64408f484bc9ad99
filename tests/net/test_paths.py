"""Two nodes that have never met find the direct path, whatever stands between them, and nothing they say to
each other crosses the hub.

    a --- NAT 198.51.100.101 ---+
                                +--- core --- hub 203.0.113.10
    b --- NAT 198.51.100.102 ---+

a and b sit behind one kind of NAT each, or none. Delays are one way, on the link between NAT and core: two
nodes on links of 60 ms are 240 ms apart, there and back.
"""

import pytest
from harness import Capture, Hub, Nat, first_reply, ping, prove_nodes_direct, wait_for
from harness.capture import UDP

HUB, A, B = "203.0.113.10", "198.51.100.101", "198.51.100.102"
HUB6 = "2001:db8:f::10"

DIRECT_SECONDS = 5
FIRST_PING_SECONDS = 2
SETTLED_SECONDS = 3
PATIENCE_SECONDS = 8  # long enough for every try of a path that exists


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB))


def await_direct(a, b):
    assert first_reply(a.host, b.address, DIRECT_SECONDS), f"{a.name} cannot ping {b.name}"
    for one, other in (a, b), (b, a):
        wait_for(lambda: one.is_direct_to(other), SETTLED_SECONDS, f"{one.name} to say direct")


def prove(hub, a, b, **where):
    await_direct(a, b)
    return prove_nodes_direct(hub, a, b, **where)


def test_both_public(net, hub):
    a, b = hub.node(net.public("a", A)), hub.node(net.public("b", B))
    prove(hub, a, b)
    assert a.rung_to(b) == "direct"


@pytest.mark.parametrize("delay_ms", [0, 20])
def test_both_behind_port_restricted_nats(net, hub, delay_ms):
    a = hub.node(net.behind(Nat.port_restricted(A), "a", delay_ms=delay_ms))
    b = hub.node(net.behind(Nat.port_restricted(B), "b", delay_ms=delay_ms))
    prove(hub, a, b)
    assert a.rung_to(b) == "direct-punched"


def test_the_first_ping_on_long_links_comes_within_two_seconds_of_up(net, hub):
    """Joining included: a has never been in the network before."""
    b = hub.node(net.behind(Nat.port_restricted(B), "b", delay_ms=60))
    a_host = net.behind(Nat.port_restricted(A), "a", delay_ms=60)
    a = hub.node(a_host, is_awaited=False)
    took = first_reply(a_host, b.address, 3 * FIRST_PING_SECONDS)
    assert took and took < FIRST_PING_SECONDS
    prove(hub, a, b)


def test_both_behind_nats_that_choose_the_port(net, hub):
    a = hub.node(net.behind(Nat.port_restricted_random_port(A), "a"))
    b = hub.node(net.behind(Nat.port_restricted_random_port(B), "b"))
    prove(hub, a, b)


def test_nats_that_an_early_probe_can_mislead(net, hub):
    """Their WAN input accepts, so a probe that comes before the own one takes the port of the mapping."""
    a = hub.node(net.behind(Nat.port_restricted(A, wan_input="accept"), "a", delay_ms=20))
    b = hub.node(net.behind(Nat.port_restricted(B, wan_input="accept"), "b", delay_ms=20))
    prove(hub, a, b)


@pytest.mark.parametrize("kind", [Nat.full_cone, Nat.address_restricted], ids=lambda kind: kind.__name__)
def test_a_nat_that_filters_less(net, hub, kind):
    a = hub.node(net.behind(kind(A), "a"))
    b = hub.node(net.behind(Nat.port_restricted(B), "b"))
    prove(hub, a, b)


def test_both_behind_full_cones(net, hub):
    a, b = hub.node(net.behind(Nat.full_cone(A), "a")), hub.node(net.behind(Nat.full_cone(B), "b"))
    prove(hub, a, b)


@pytest.mark.parametrize(
    "kind", [Nat.symmetric, Nat.symmetric_sequential], ids=lambda kind: kind.__name__
)
def test_a_symmetric_nat_towards_a_public_node(net, hub, kind):
    a, b = hub.node(net.behind(kind(A), "a")), hub.node(net.public("b", B))
    prove(hub, a, b)


def test_a_carrier_nat_on_one_side(net, hub):
    """a --- home NAT --- 100.64/10 --- carrier NAT --- core"""
    carrier = net.router(Nat.port_restricted(A), lan="100.64.0.0/10")
    a = hub.node(carrier.router(Nat.port_restricted(), lan="192.168.1.0/24").host("a"))
    b = hub.node(net.behind(Nat.port_restricted(B), "b"))
    prove(hub, a, b)


@pytest.mark.parametrize("carrier_lan", ["100.64.0.0/10", "100.100.96.0/24"])
def test_mesh_addresses_that_clash_with_the_carriers(net, hub, carrier_lan):
    """a has an address of the carrier itself. In the second case the carrier uses the very prefix of the
    mesh: its router has the hub's mesh address, and a's own address is a mesh address, too."""
    a = hub.node(net.router(Nat.port_restricted(A), lan=carrier_lan).host("a"))
    b = hub.node(net.behind(Nat.port_restricted(B), "b"))
    prove(hub, a, b)
    assert ping(a.host, hub.address) == 1


def test_ipv6_behind_stateful_firewalls(net):
    hub = Hub(net.public("hub", public6=HUB6), "100.100.96.1/24 fd00:96::1/64")
    a, b = (
        hub.node(
            net.behind(
                Nat.stateful_firewall(f"2001:db8:{name}::1"), name, lan=None, lan6=f"2001:db8:{name}:1::/64"
            )
        )
        for name in ("a", "b")
    )
    prove(hub, a, b)
    prove_nodes_direct(hub, a, b, address=b.address6)


def test_one_lan_without_hairpin(net, hub):
    """They talk on the LAN, and the internet sees nothing of it."""
    home = net.router(Nat.port_restricted(A), lan="192.168.1.0/24")
    a, b = hub.node(home.host("a")), hub.node(home.host("b"))
    await_direct(a, b)
    with Capture(net.core, home.uplink.core_port) as outside:
        lan = home.namespace, a.host.uplink.lan_port
        prove_nodes_direct(hub, a, b, place=lan, between=(a.host.address, b.host.address))
        others = [packet for packet in outside.packets() if HUB not in (packet.source, packet.destination)]
        assert not [packet for packet in others if packet.protocol == UDP]
    assert a.rung_to(b) == b.rung_to(a) == "direct-lan"


def test_without_appointments_there_is_no_direct_path(net):
    """The control: what the other tests show is the work of the appointments."""
    hub = Hub(net.public("hub", HUB), settings="Appointments = off")
    a = hub.node(net.behind(Nat.port_restricted(A), "a"))
    b = hub.node(net.behind(Nat.port_restricted(B), "b"))
    wait_for(lambda: a.peer(b) and b.peer(a), SETTLED_SECONDS, "the map")
    with Capture(net.core, a.host.above.uplink.core_port) as outside:
        assert first_reply(a.host, b.address, PATIENCE_SECONDS / 2) is None
        assert first_reply(b.host, a.address, PATIENCE_SECONDS / 2) is None
        assert not [packet for packet in outside.packets() if packet.is_between(A, B)]
    assert a.rung_to(b) == b.rung_to(a) == "none"
