"""Links live on while everything around them changes: the hub dies, nodes restart, move, and are renumbered.

    a --- NAT 198.51.100.101 ---+
                                +--- core --- hub 203.0.113.10
    b --- NAT 198.51.100.102 ---+
"""

import pytest
from harness import Hub, Nat, Pinger, first_reply, prove_nodes_direct, wait_for

HUB, A, B, CAFE = "203.0.113.10", "198.51.100.101", "198.51.100.102", "198.51.100.103"

DIRECT_SECONDS = 5
UNNOTICED_SECONDS = 0.3  # between two answers to pings that are 50 ms apart
BACK_SECONDS = 10
PINGS = 40


@pytest.fixture
def hub(net):
    return Hub(net.public("hub", HUB))


@pytest.fixture
def pair(net, hub):
    """a and b behind port-restricted NATs, directly connected."""
    a = hub.node(net.behind(Nat.port_restricted(A), "a", delay_ms=5))
    b = hub.node(net.behind(Nat.port_restricted(B), "b", delay_ms=5))
    await_direct(a, b)
    return a, b


def await_direct(a, b, seconds=DIRECT_SECONDS):
    assert first_reply(a.host, b.address, seconds), f"{a.name} cannot ping {b.name}"
    for one, other in (a, b), (b, a):
        wait_for(lambda: one.is_direct_to(other), seconds, f"{one.name} to say direct")


def test_the_hub_dies_and_comes_back_and_pings_go_on(hub, pair):
    a, b = pair
    with Pinger(a.host, b.address) as pinger:
        pinger.more(PINGS, BACK_SECONDS)
        hub.kill()
        assert pinger.more(PINGS, BACK_SECONDS) < UNNOTICED_SECONDS
        wait_for(lambda: not a.status()["hub"]["connected"], 30, "a to miss the hub")
        hub.start()
        for node in pair:
            wait_for(node.is_connected, BACK_SECONDS, f"{node.name} to find the hub again")
        assert pinger.more(PINGS, BACK_SECONDS) < UNNOTICED_SECONDS
    prove_nodes_direct(hub, a, b)


def test_a_node_that_joins_after_the_hub_came_back_is_found(net, hub, pair):
    hub.kill()
    hub.start()
    c = hub.node(net.behind(Nat.port_restricted(CAFE), "c"))
    for node in pair:
        await_direct(c, node)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_node_restarts_without_a_hub(hub, pair, end):
    """From the map on its disk, whether it could say farewell or not."""
    a, b = pair
    hub.kill()
    getattr(a, end)()
    a.up(is_awaited=False)
    assert first_reply(a.host, b.address, BACK_SECONDS)
    await_direct(a, b)
    assert not a.status()["hub"]["connected"]


def test_both_nodes_restart_without_a_hub(hub, pair):
    hub.kill()
    for node in pair:
        node.kill()
    for node in pair:
        node.up(is_awaited=False)
    await_direct(*pair, seconds=BACK_SECONDS)


def test_a_node_roams_to_another_nat(net, hub, pair):
    a, b = pair
    with Pinger(b.host, a.address) as pinger:
        pinger.more(5, BACK_SECONDS)
        a.host.move_behind(net.router(Nat.port_restricted(CAFE), lan="10.20.0.0/16", delay_ms=5))
        pinger.more(PINGS, BACK_SECONDS)
    wait_for(lambda: b.endpoint_of(a).startswith(CAFE), BACK_SECONDS, "b to know a's new address")
    await_direct(a, b)
    prove_nodes_direct(hub, a, b)


def test_a_node_roams_onto_the_lan_of_the_other(net, hub, pair):
    a, b = pair
    with Pinger(b.host, a.address) as pinger:
        pinger.more(5, BACK_SECONDS)
        a.host.move_behind(b.host.above)
        pinger.more(PINGS, BACK_SECONDS)
    wait_for(lambda: a.rung_to(b) == "direct-lan", BACK_SECONDS, "a to use the LAN")
    lan = b.host.above.namespace, a.host.uplink.lan_port
    prove_nodes_direct(hub, a, b, place=lan, between=(a.host.address, b.host.address))


def test_a_nat_forgets_in_mid_session(net, hub):
    """All mappings get another port, and the other NAT does not let it in before they have met again."""
    a = hub.node(net.behind(Nat.port_restricted_random_port(A), "a", delay_ms=5))
    b = hub.node(net.behind(Nat.port_restricted(B), "b", delay_ms=5))
    await_direct(a, b)
    before = b.endpoint_of(a)
    with Pinger(a.host, b.address) as pinger:
        pinger.more(5, BACK_SECONDS)
        a.host.above.forget_connections()
        pinger.more(PINGS, BACK_SECONDS)
    wait_for(lambda: b.endpoint_of(a) != before, BACK_SECONDS, "b to know a's new port")
    prove_nodes_direct(hub, a, b)


def test_a_nat_gets_another_address_in_mid_session(hub, pair):
    a, b = pair
    with Pinger(a.host, b.address) as pinger:
        pinger.more(5, BACK_SECONDS)
        a.host.above.readdress(CAFE)
        a.host.public = CAFE
        pinger.more(PINGS, BACK_SECONDS)
    wait_for(lambda: b.endpoint_of(a).startswith(CAFE), BACK_SECONDS, "b to know a's new address")
    prove_nodes_direct(hub, a, b)
