"""The proof that two nodes talk directly: what the hub's wire and the internet saw while they talked.

During the transfer (pings of an unusual size, and bulk) all of this must hold:
- every ping is answered, and all of the bulk arrives;
- no datagram of the pings' size, sealed or not, passed the hub;
- in all, the hub's wire carried at most CONTROL_BYTES: keepalives and control, but not the data, which is
  more than fifty times as much;
- the place where the direct path leads through (the internet between the two NATs' public addresses, or
  the LAN) carried the data as WireGuard packets between exactly these two addresses."""

from dataclasses import dataclass

from .capture import Capture, Kind
from .traffic import bulk, ping

PINGS = 40
PING_SIZE = 1000  # bytes of ICMP payload: no control message happens to be that long
PING_INTERVAL = 0.01
BULK_BYTES = 3 << 20
CONTROL_BYTES = 48 << 10

ICMP_HEADER, IP_HEADER, IP6_HEADER = 8, 20, 40
SEAL_BYTES = 32  # WireGuard: header 16, tag 16
WRAPPING_MOST = 64  # padding, and whatever a relay would put around


@dataclass
class Transfer:
    """What the captures saw. direct: at the place of the direct path."""

    hub_bytes: int
    hub_packets: list
    direct_packets: list


def transfer(sender, receiver, address, hub, place, bulk_bytes=BULK_BYTES):
    """Pings and bulk from a host to a mesh address, watched at the hub and at `place`, a pair of namespace
    and interface."""
    with Capture(hub.namespace, "eth0") as at_hub, Capture(*place) as at_place:
        answered = ping(sender, address, count=PINGS, size=PING_SIZE, interval=PING_INTERVAL)
        assert answered == PINGS, f"{answered} of {PINGS} pings of {PING_SIZE} bytes were answered"
        bulk(sender, receiver, address, bulk_bytes)
        return Transfer(at_hub.bytes(), list(at_hub.packets()), list(at_place.packets()))


def prove_nodes_direct(hub, a, b, address=None, **where):
    """The same for two nodes, in both directions."""
    assert a.is_direct_to(b), a.status()
    prove_direct(a.host, b.host, address or b.address, hub.host, **where)
    return prove_direct(b.host, a.host, a.address6 if address else a.address, hub.host, **where)


def prove_direct(sender, receiver, address, hub, place=None, between=None):
    """Asserts the claims above. place and between: None for the internet and the two public addresses."""
    is_ipv6 = sender.public is None or receiver.public is None
    between = between or (
        (sender.public6, receiver.public6) if is_ipv6 else (sender.public, receiver.public)
    )
    core = sender.network.core
    seen = transfer(sender, receiver, address, hub, place or (core, _core_port(sender)))
    prove_none_crossed(seen)
    sealed = [
        packet
        for packet in seen.direct_packets
        if packet.is_between(*between) and packet.kind is Kind.DATA
    ]
    for source in between:
        pings = [packet for packet in sealed if packet.source == source and _is_ping(packet)]
        assert len(pings) >= PINGS, f"{len(pings)} sealed pings from {source} on the direct path"
    carried = sum(packet.size for packet in sealed)
    assert carried >= BULK_BYTES, f"the direct path carried {carried} of {BULK_BYTES} bytes"
    return seen


def prove_none_crossed(seen):
    pings = [packet for packet in seen.hub_packets if _is_ping(packet)]
    assert not pings, f"{len(pings)} datagrams of the pings' size passed the hub, e.g. {pings[0]}"
    assert seen.hub_bytes <= CONTROL_BYTES, f"{seen.hub_bytes} bytes passed the hub"


def _is_ping(packet):
    least = PING_SIZE + ICMP_HEADER + IP_HEADER
    most = PING_SIZE + ICMP_HEADER + IP6_HEADER + SEAL_BYTES + WRAPPING_MOST
    return least <= packet.size <= most


def _core_port(host):
    """Where the host's traffic, or that of the outermost router above it, enters the core."""
    at = host
    while not hasattr(at.uplink, "core_port"):
        at = at.above
    return at.uplink.core_port
