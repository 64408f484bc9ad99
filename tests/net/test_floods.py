"""What a WireGuard device does while strangers bury it: those whom it knows notice nothing.

    a, b, newcomer --- core --- attacker with 100 addresses      a and b have a session; b is flooded
"""

import pytest
from harness import Capture, Kind, Pinger, first_reply, wait_for
from wireguard import Flood, WireGuard, attacker, connected_pair, priority, wayleave

RATE = 10_000  # a second
MILLISECONDS = 3000
PATIENCE = 10
NEWCOMER_SECONDS = 2
UNDER_LOAD = 512  # handshake messages in a second before cookies are demanded (WG_LOAD_THRESHOLD)
PING_INTERVAL = 0.02
LOST_SHARE = 0.01
PRIORITY = -15
MAC2 = slice(132, 148)


@pytest.fixture(autouse=True)
def before_others():
    """What else the machine does must not be what fails to keep up with the flood."""
    with priority(PRIORITY):
        yield


@pytest.fixture
def hosts(net):
    return net.public("a", "198.51.100.1"), net.public("b", "198.51.100.2")


@pytest.fixture
def newcomer(net):
    return WireGuard(net.public("newcomer", "198.51.100.3"), "newcomer", wayleave, 3).start()


def overheard(hosts):
    """A pair, and the initiation with which its session began."""
    with Capture(hosts[0].namespace, "eth0") as capture:
        pair = connected_pair(hosts)
        initiation = next(packet for packet in capture.packets() if packet.kind is Kind.INITIATION)
    return pair, initiation.payload


def missing(pinger):
    """How many numbers below the last that was answered were not, and that last one."""
    seen = {sequence for _, sequence in pinger.replies()}
    return max(seen) - len(seen), max(seen)


def flooded(net, a, b, kind, detail=(), meanwhile=lambda: None):
    """A flood with pings between a and b going on. Returns what it sent, what b dropped meanwhile."""
    before = b.drops()
    host = attacker(net)
    with Capture(host.namespace, "eth0") as capture, Pinger(a.host, b.address, PING_INTERVAL) as pinger:
        pinger.more(5, PATIENCE)
        with Flood(host, kind, (b.host.address, b.port), RATE, MILLISECONDS, detail) as flood:
            meanwhile()
            sent = flood.ended()
        pinger.more(5, PATIENCE)
        lost, last = missing(pinger)
        assert lost <= last * LOST_SHARE, f"{lost} of {last} pings on the session were lost"
        ours = [packet for packet in capture.packets() if packet.protocol == 17]
    out, back = ([packet.size for packet in ours if packet.is_outgoing is way] for way in (True, False))
    assert len(out) == sent["sent"] and sum(out) == sent["sent_bytes"]
    assert len(back) <= len(out) and sum(back) <= sum(out), "answers are more than the questions"
    assert {packet.kind for packet in ours if not packet.is_outgoing} <= {Kind.COOKIE, Kind.RESPONSE}
    drops = {name: count - before.get(name, 0) for name, count in b.drops().items()}
    return len(out), len(back), {name: count for name, count in drops.items() if count}


def gets_in(newcomer, b):
    """By a cookie, at once."""
    wait_for(lambda: b.drops().get("handshake-cookie-demanded"), PATIENCE, "the flood to be felt")
    with Capture(newcomer.host.namespace, "eth0") as capture:
        newcomer.connect(b)
        assert first_reply(newcomer.host, b.address, NEWCOMER_SECONDS) is not None, "the newcomer stays outside"
        kinds = [packet for packet in capture.packets() if packet.kind is Kind.INITIATION]
        assert any(kinds[-1].payload[MAC2]), "it came in without its cookie"


def test_initiations_of_strangers_cost_a_cookie_each(net, hosts, newcomer):
    a, b = connected_pair(hosts)
    sent, answers, drops = flooded(net, a, b, "initiations", [b.public_key], lambda: gets_in(newcomer, b))
    assert set(drops) - {"port-burst"} == {"handshake-cookie-demanded", "handshake-forged"}, drops
    assert drops["handshake-forged"] <= 2 * UNDER_LOAD, "Diffie-Hellman for strangers under load"
    assert sent / 2 < sum(drops.values()) <= sent + 1  # the newcomer's first; the kernel may lose some
    assert answers in (drops["handshake-cookie-demanded"], drops["handshake-cookie-demanded"] - 1)


def test_an_initiation_that_was_overheard_opens_nothing(net, hosts, newcomer):
    (a, b), initiation = overheard(hosts)
    sent, _, drops = flooded(net, a, b, "known", [initiation.hex()], lambda: gets_in(newcomer, b))
    assert set(drops) - {"port-burst"} == {"handshake-cookie-demanded", "handshake-replayed"}, drops
    assert drops["handshake-replayed"] <= 2 * UNDER_LOAD
    assert sent / 2 < sum(drops.values()) <= sent + 1


def test_data_of_unknown_sessions_are_dropped_unanswered(net, hosts):
    a, b = connected_pair(hosts)
    sent, answers, drops = flooded(net, a, b, "data")
    assert set(drops) == {"no-session"} and answers == 0, drops
    assert sent / 2 < drops["no-session"] <= sent


def test_noise_is_dropped_unanswered(net, hosts):
    a, b = connected_pair(hosts)
    sent, answers, drops = flooded(net, a, b, "junk")
    assert answers == 0
    assert all(name.startswith("port-") for name in drops), drops
    assert sent / 2 < sum(drops.values()) <= sent
