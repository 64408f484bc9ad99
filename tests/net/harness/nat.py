"""NATs as nftables rulesets; the names are RFC 4787's. A router has "lan" inside and "wan" outside.

Mapping and filtering of each kind are measured by test_harness.py."""

from dataclasses import dataclass

# masquerade keeps the source port while it is free: endpoint-independent mapping, and conntrack filters
# by address and port. The maps below do the same with a port of the NAT's choice, and open the filter.
MASQUERADE = 'oifname "wan" masquerade'
MASQUERADE_RANDOM = 'oifname "wan" masquerade random'
MASQUERADE_SYMMETRIC = 'oifname "wan" masquerade fully-random'

SEQUENCE_FIRST = 20000
SEQUENCE_LENGTH = 2000

MAPS = """
  map eim { type ipv4_addr . inet_service : ipv4_addr . inet_service
            flags dynamic,timeout; timeout 120s; size 65535; }
  map ext { type inet_service : ipv4_addr . inet_service
            flags dynamic,timeout; timeout 120s; size 65535; }
  set seen { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 120s; size 65535; }
  chain record {  # after source NAT: sees the translated packet
    type filter hook postrouting priority 150
    oifname "wan" meta l4proto udp ct direction original \\
      update @eim { ct original ip saddr . ct original proto-src : ip saddr . udp sport }
    oifname "wan" meta l4proto udp ct direction original \\
      update @ext { udp sport : ct original ip saddr . ct original proto-src }
    oifname "wan" meta l4proto udp update @seen { udp sport . ip daddr }
  }
"""
MAPPED = 'oifname "wan" snat ip to ip saddr . udp sport map @eim'
ANYONE_MAY_ENTER = 'iifname "wan" dnat ip to udp dport map @ext'
KNOWN_ADDRESSES_MAY_ENTER = 'iifname "wan" udp dport . ip saddr @seen dnat ip to udp dport map @ext'

FIREWALL = """
table inet firewall {
  chain input {
    type filter hook input priority filter
    ct state established,related accept
    meta l4proto icmpv6 accept
    iifname "wan" %s
  }
  chain forward {
    type filter hook forward priority filter
    ct state established,related accept
    iifname "wan" ct status dnat accept
    iifname "wan" drop
  }
}
"""


@dataclass(frozen=True)
class Nat:
    """What a router does between "lan" and "wan". public: its address on the internet; None below another
    router, which then chooses one. wan_input: what becomes of a packet to the router itself; "accept"
    lets an early probe move the mapping, the trap for those who punch without care."""

    public: str | None = None
    public6: str | None = None
    to_inside: tuple = ()
    to_outside: tuple = ()
    needs_maps: bool = False
    wan_input: str = "drop"

    @classmethod
    def port_restricted(cls, public=None, **options):
        """The usual home router: port kept, strangers kept out by address and port."""
        return cls(public, to_outside=(MASQUERADE,), **options)

    @classmethod
    def port_restricted_random_port(cls, public=None, **options):
        """The same with a port of the NAT's choice: after a flush it chooses another one."""
        return cls(public, to_outside=(MAPPED, MASQUERADE_RANDOM), needs_maps=True, **options)

    @classmethod
    def address_restricted(cls, public=None, **options):
        return cls(
            public,
            to_inside=(KNOWN_ADDRESSES_MAY_ENTER,),
            to_outside=(MAPPED, MASQUERADE),
            needs_maps=True,
            **options,
        )

    @classmethod
    def full_cone(cls, public=None, **options):
        return cls(
            public,
            to_inside=(ANYONE_MAY_ENTER,),
            to_outside=(MAPPED, MASQUERADE),
            needs_maps=True,
            **options,
        )

    @classmethod
    def symmetric(cls, public=None, **options):
        """A random port for each destination."""
        return cls(public, to_outside=(MASQUERADE_SYMMETRIC,), **options)

    @classmethod
    def symmetric_sequential(cls, public=None, **options):
        """The next port for each destination."""
        ports = ", ".join(f"{i} : {SEQUENCE_FIRST + i}" for i in range(SEQUENCE_LENGTH))
        sequence = f"masquerade to :numgen inc mod {SEQUENCE_LENGTH} map {{ {ports} }}"
        return cls(public, to_outside=(f'oifname "wan" meta l4proto udp {sequence}',), **options)

    @classmethod
    def stateful_firewall(cls, public6, **options):
        """No translation: IPv6 addresses inside, and only answers come in."""
        return cls(public6=public6, **options)

    def rules(self):
        lines = [FIREWALL % self.wan_input]
        if self.to_outside:
            lines += ["table ip nat {", MAPS if self.needs_maps else ""]
            lines += ["chain pre { type nat hook prerouting priority dstnat;", *self.to_inside, "}"]
            lines += ["chain post { type nat hook postrouting priority srcnat;", *self.to_outside, "}"]
            lines += ["}"]
        return "\n".join(lines) + "\n"
