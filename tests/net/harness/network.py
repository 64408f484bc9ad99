"""A small internet: a core that routes public addresses, hosts on it, and routers with hosts behind them.

Every machine is a namespace. The core knows a route to each public address only, and swallows private
ones as the internet does. Interfaces are called eth0 in hosts, wan and lan in routers."""

import ipaddress
import itertools
import signal

from .link import Link
from .namespace import Namespace
from .run import remove_namespaces

CORE_ADDRESS = "169.254.0.1"  # the core's end of every link to it; nothing else uses it
CORE_ADDRESS6 = "fe80::1"
NOT_PUBLIC = "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"


class Network:
    """The internet of one test. close() removes it with everything that runs in it."""

    def __init__(self, run):
        self.run = run
        self.prefix, self.folder = run.next_network()
        self.daemons = []
        self.processes = []
        self._ports = itertools.count(1)
        self._router_names = itertools.count(1)
        self.core = Namespace(self.prefix + "core")
        _forward(self.core)
        self.core.ip(*(f"route add blackhole {prefix}" for prefix in NOT_PUBLIC))

    def close(self):
        for process in self.processes:  # one that was only just started is not in its namespace yet
            process.terminate()
        remove_namespaces(self.prefix)
        refused = [process.args for process in self.processes if process.wait() == -signal.SIGSYS]
        assert not refused, f"made a system call that is not on its list: {refused}"

    def public(self, name, public=None, public6=None, **link):
        """A host with its own public addresses. link: delay_ms (one way), loss_percent, seed."""
        host = Host(self, name)
        host.uplink = self.attach(host.namespace, "eth0", public, public6, **link)
        host.address, host.address6 = public, public6
        host.public, host.public6 = public, public6
        return host

    def router(self, nat, lan=None, lan6=None, **link):
        """A router on the internet with a LAN behind it."""
        router = Router(self, f"r{next(self._router_names)}", nat, lan, lan6)
        router.uplink = self.attach(
            router.namespace, "wan", nat.public, nat.public6, routed6=router.lan6, **link
        )
        router.public, router.public6 = nat.public, nat.public6
        return router

    def behind(self, nat, name, lan="192.168.1.0/24", lan6=None, **link):
        """A host that has a router of its own."""
        return self.router(nat, lan, lan6, **link).host(name)

    def attach(self, namespace, interface, public, public6, routed6=None, **link):
        """Connects an interface to the core, with default routes. Neighbours are fixed, so no delay is
        spent on asking for them."""
        port = f"port{next(self._ports)}"
        uplink = self.link((namespace, interface), (self.core, port), **link)
        uplink.core_port = port
        inside, core = [], []
        if public:
            inside += _fixed_default(public + "/32", CORE_ADDRESS, interface, uplink.other_address)
            core += _fixed_neighbour(CORE_ADDRESS + "/32", public, port, uplink.address)
        if public6:
            inside += _fixed_default(public6 + "/128", CORE_ADDRESS6, interface, uplink.other_address)
            core += _fixed_neighbour(CORE_ADDRESS6 + "/128", public6, port, uplink.address)
        if routed6:
            core += [f"route add {routed6} via {public6} dev {port}"]
        namespace.ip(*inside)
        self.core.ip(*core)
        return uplink

    def link(self, end, other_end, **link):
        return Link(end, other_end, folder=self.run.folder, **link)


class Host:
    """address: its own, on eth0. public: what the internet sees. Both None without IPv4; address6 and
    public6 likewise."""

    def __init__(self, network, name):
        self.network, self.name = network, name
        self.namespace = Namespace(network.prefix + name)
        self.address = self.address6 = self.public = self.public6 = self.uplink = self.above = None
        self.run = self.namespace.run

    def spawn(self, *argv, **options):
        """A process in the background, which ends with the network at the latest."""
        process = self.namespace.spawn(*argv, **options)
        self.network.processes.append(process)
        return process

    def move_behind(self, router):
        """Plugs into another LAN, as a laptop that is carried home."""
        self.uplink.cut()
        router.plug_in(self)

    def cable(self, interface, address, other, other_interface, other_address):
        """A cable to another host, beside the internet."""
        self.network.link((self.namespace, interface), (other.namespace, other_interface))
        self.namespace.ip(f"address add {address} dev {interface}")
        other.namespace.ip(f"address add {other_address} dev {other_interface}")


class Router:
    """Between "wan" and a bridge "lan", whose first address it has."""

    def __init__(self, network, name, nat, lan, lan6):
        self.network, self.nat = network, nat
        self.namespace = Namespace(network.prefix + name)
        self.lan = ipaddress.ip_network(lan) if lan else None
        self.lan6 = ipaddress.ip_network(lan6) if lan6 else None
        self.public = self.public6 = self.uplink = self.above = None
        self._numbers = itertools.count(2)
        self._ports = itertools.count(1)
        self._homes = itertools.count(1)
        _forward(self.namespace)
        self.namespace.nft(nat.rules())
        lines = ["link add lan type bridge", "link set lan up"]
        for subnet in filter(None, (self.lan, self.lan6)):
            lines += [f"address add {subnet[1]}/{subnet.prefixlen} dev lan"]
        self.namespace.ip(*lines)

    def host(self, name, **link):
        """A host on this LAN."""
        host = Host(self.network, name)
        self.plug_in(host, **link)
        return host

    def router(self, nat, lan, **link):
        """A home router below this one (which is then the carrier's)."""
        name = f"{self.namespace.name[len(self.network.prefix):]}-{next(self._homes)}"
        home = Router(self.network, name, nat, lan, None)
        home.uplink = self._plug(home.namespace, "wan", next(self._numbers), **link)
        home.public, home.public6 = self.public, self.public6
        home.above = self
        return home

    def plug_in(self, host, **link):
        number = next(self._numbers)
        host.above = self
        host.uplink = self._plug(host.namespace, "eth0", number, **link)
        host.address = str(self.lan[number]) if self.lan else None
        host.address6 = str(self.lan6[number]) if self.lan6 else None
        # Behind IPv4 NAT the internet sees the router; behind a firewall without NAT, the host itself.
        host.public, host.public6 = self.public, host.address6

    def forget_connections(self):
        """All mappings are gone, as after a reboot of the router: those inside get new ones. Nothing passes
        meanwhile, or a packet between the two would bring the old port back."""
        self.namespace.nft(
            "table inet reboot { chain everything { type filter hook prerouting priority -400; policy drop; }; }\n"
        )
        self.namespace.flush_conntrack()
        if self.nat.needs_maps:
            self.namespace.nft(
                "flush map ip nat eim\nflush map ip nat ext\nflush set ip nat seen\n"
            )
        self.namespace.nft("delete table inet reboot\n")

    def readdress(self, public):
        """The provider gives the router another public address; every mapping is gone."""
        core, port = self.network.core, self.uplink.core_port
        core.ip(f"route delete {self.public}/32 dev {port}")
        core.ip(*_fixed_neighbour(None, public, port, self.uplink.address))
        self.namespace.ip(
            f"address delete {self.public}/32 dev wan",
            *_fixed_default(public + "/32", CORE_ADDRESS, "wan", self.uplink.other_address),
        )
        self.public = public
        self.forget_connections()

    def _plug(self, namespace, interface, number, **link):
        port = f"lan{next(self._ports)}"
        cable = self.network.link((namespace, interface), (self.namespace, port), **link)
        cable.lan_port = port
        self.namespace.ip(f"link set {port} master lan")
        for subnet in filter(None, (self.lan, self.lan6)):
            namespace.ip(
                f"address add {subnet[number]}/{subnet.prefixlen} dev {interface}",
                f"route add default via {subnet[1]} dev {interface}",
            )
        return cable


def _forward(namespace):
    namespace.sysctl("net/ipv4/ip_forward", 1)
    namespace.sysctl("net/ipv6/conf/all/forwarding", 1)


def _fixed_default(address, gateway, interface, gateway_station):
    return [
        f"address add {address} dev {interface}",
        f"neighbour replace {gateway} lladdr {gateway_station} dev {interface} nud permanent",
        f"route replace default via {gateway} dev {interface} onlink",
    ]


def _fixed_neighbour(own_address, address, interface, station):
    own = [f"address add {own_address} dev {interface}"] if own_address else []
    return own + [
        f"neighbour replace {address} lladdr {station} dev {interface} nud permanent",
        f"route add {address} dev {interface}",
    ]
