"""The tools themselves: NATs are what their names say, links are as long as they say, and the proof that no
data crosses the hub fails when data does cross it.

        a --- r1(NAT) --- core --- b          hub (relays, in the last tests only)
                            \\----- c (second port, second address)
"""

import glob
import os
import select
import socket
import subprocess
import sys
import threading

import pytest
from harness import Capture, Nat, Pinger, Run, bulk, ping, prove_direct, wait_for
from harness.capture import ICMP, Kind, kind_of
from harness.run import remove_leftovers

HERE = os.path.dirname(os.path.abspath(__file__))

ANSWER_SECONDS = 0.4

ENDPOINT_INDEPENDENT, SYMMETRIC = "endpoint-independent", "symmetric"
EVERYBODY, KNOWN_ADDRESSES, KNOWN_PORTS = "everybody", "known addresses", "known addresses and ports"

KINDS = [
    (Nat.port_restricted, ENDPOINT_INDEPENDENT, KNOWN_PORTS),
    (Nat.port_restricted_random_port, ENDPOINT_INDEPENDENT, KNOWN_PORTS),
    (Nat.address_restricted, ENDPOINT_INDEPENDENT, KNOWN_ADDRESSES),
    (Nat.full_cone, ENDPOINT_INDEPENDENT, EVERYBODY),
    (Nat.symmetric, SYMMETRIC, KNOWN_PORTS),
    (Nat.symmetric_sequential, SYMMETRIC, KNOWN_PORTS),
]


class Station:
    """A UDP socket in a host."""

    def __init__(self, host, port):
        family = socket.AF_INET if host.address else socket.AF_INET6
        self.address = host.address or host.address6
        self.socket = host.namespace.socket(family)
        self.socket.bind((self.address, port))

    def send(self, destination):
        self.socket.sendto(b"probe", destination)

    def receive(self):
        """The sender, or None when nothing comes."""
        if not select.select([self.socket], [], [], ANSWER_SECONDS)[0]:
            return None
        return self.socket.recvfrom(100)[1][:2]

    def sees(self, sender):
        """Where a datagram from the sender seems to come from."""
        sender.send((self.address, self.socket.getsockname()[1]))
        return self.receive()


def mapping_of(inside, b, c):
    return ENDPOINT_INDEPENDENT if b.sees(inside) == c.sees(inside) else SYMMETRIC


def filtering_of(inside, b, b_other_port, c):
    mapped = b.sees(inside)
    c.send(mapped)
    if inside.receive():
        return EVERYBODY
    b_other_port.send(mapped)
    if inside.receive():
        return KNOWN_ADDRESSES
    b.send(mapped)
    return KNOWN_PORTS if inside.receive() else "nobody"


@pytest.mark.parametrize("kind, mapping, filtering", KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_nat_maps_and_filters_as_its_name_says(net, kind, mapping, filtering):
    a = net.behind(kind("198.51.100.101"), "a")
    b, c = net.public("b", "203.0.113.20"), net.public("c", "203.0.113.30")
    assert mapping_of(Station(a, 4000), Station(b, 1), Station(c, 1)) == mapping
    assert filtering_of(Station(a, 5000), Station(b, 2), Station(b, 3), Station(c, 2)) == filtering


def test_a_firewall_lets_only_answers_in(net):
    a = net.behind(Nat.stateful_firewall("2001:db8:a::1"), "a", lan=None, lan6="2001:db8:a:1::/64")
    b, c = net.public("b", public6="2001:db8:b::1"), net.public("c", public6="2001:db8:c::1")
    inside = Station(a, 4000)
    assert Station(c, 1).sees(inside) == (a.public6, 4000)
    assert filtering_of(inside, Station(b, 2), Station(b, 3), Station(c, 2)) == KNOWN_PORTS


def test_below_a_carrier_the_internet_sees_the_carrier(net):
    carrier = net.router(Nat.port_restricted("198.51.100.101"), lan="100.64.0.0/10")
    a = carrier.router(Nat.port_restricted(), lan="192.168.1.0/24").host("a")
    b, c = net.public("b", "203.0.113.20"), net.public("c", "203.0.113.30")
    inside = Station(a, 4000)
    assert Station(c, 1).sees(inside) == ("198.51.100.101", 4000)
    assert filtering_of(inside, Station(b, 2), Station(b, 3), Station(c, 2)) == KNOWN_PORTS


def test_no_hairpin(net):
    router = net.router(Nat.full_cone("198.51.100.101"), lan="192.168.1.0/24")
    a, neighbour = router.host("a"), router.host("n")
    b = net.public("b", "203.0.113.20")
    inside, other = Station(a, 4000), Station(neighbour, 4001)
    mapped = Station(b, 1).sees(inside)
    other.send(mapped)
    assert inside.receive() is None
    assert inside.sees(other), "on the LAN they do talk"


def test_a_router_forgets_and_maps_anew(net):
    router = net.router(Nat.port_restricted_random_port("198.51.100.101"), lan="192.168.1.0/24")
    inside, b = Station(router.host("a"), 4000), Station(net.public("b", "203.0.113.20"), 1)
    before = b.sees(inside)
    assert b.sees(inside) == before
    router.forget_connections()
    b.send(before)
    assert inside.receive() is None
    assert b.sees(inside) != before


def test_a_router_gets_another_address(net):
    router = net.router(Nat.port_restricted("198.51.100.101"), lan="192.168.1.0/24")
    inside, b = Station(router.host("a"), 4000), Station(net.public("b", "203.0.113.20"), 1)
    assert b.sees(inside)[0] == "198.51.100.101"
    router.readdress("198.51.100.111")
    assert b.sees(inside)[0] == "198.51.100.111"
    b.send(("198.51.100.111", 4000))
    assert inside.receive()


def test_a_host_moves(net):
    home = net.router(Nat.port_restricted("198.51.100.101"), lan="192.168.1.0/24")
    cafe = net.router(Nat.symmetric("198.51.100.102"), lan="10.20.0.0/16")
    a, b = home.host("a"), Station(net.public("b", "203.0.113.20"), 1)
    assert b.sees(Station(a, 4000))[0] == "198.51.100.101"
    a.move_behind(cafe)
    assert b.sees(Station(a, 4000))[0] == "198.51.100.102"


def test_the_internet_knows_no_private_addresses(net):
    a = net.behind(Nat.port_restricted("198.51.100.101"), "a")
    b = Station(net.public("b", "203.0.113.20"), 1)
    inside = Station(a, 4000)
    b.send((a.address, 4000))
    assert inside.receive() is None


@pytest.mark.parametrize("delay_ms", [20, 60])
def test_a_link_is_as_long_as_it_says(net, delay_ms):
    a = net.public("a", "203.0.113.20", delay_ms=delay_ms)
    b = net.public("b", "203.0.113.30")
    with Capture(a.namespace, "eth0") as capture:
        assert ping(a, b.public, count=20) == 20
        pings = [packet for packet in capture.packets() if packet.protocol == ICMP]
    asked = [packet.time for packet in pings if packet.is_outgoing]
    answered = [packet.time for packet in pings if not packet.is_outgoing]
    trips_ms = sorted((back - out) * 1000 for out, back in zip(asked, answered, strict=True))
    assert trips_ms[0] >= 2 * delay_ms
    assert trips_ms[len(trips_ms) // 2] < 2 * delay_ms + 3


def test_a_link_carries_bulk(net):
    a = net.public("a", "203.0.113.20", delay_ms=5)
    b = net.public("b", "203.0.113.30")
    assert bulk(a, b, b.public, 8 << 20) < 10


def test_a_link_loses_what_it_should(net):
    """20 % each way leave 64 % of the echoes; frames of the neighbours' own (ARP) take their share."""
    for name, address in ("a", "203.0.113.20"), ("b", "203.0.113.30"):
        host = net.public(name, address, loss_percent=20, seed=7)
        target = net.public("t" + name, address.replace("113", "112"))
        with Capture(target.namespace, "eth0") as capture:
            answered = ping(host, target.public, count=200, interval=0.002, wait_seconds=1)
            assert [packet for packet in capture.packets() if packet.protocol == ICMP]
        assert 90 < answered < 160


def test_frames_have_the_size_they_have_on_a_wire(net):
    a, b = net.public("a", "203.0.113.20"), net.public("b", "203.0.113.30")
    with Capture(b.namespace, "eth0") as capture:
        bulk(a, b, b.public, 1 << 20)
        assert max(packet.size for packet in capture.packets()) <= 1480


def test_pings_go_on_until_they_do_not(net):
    a, b = net.public("a", "203.0.113.20"), net.public("b", "203.0.113.30")
    with Pinger(a, b.public) as pinger:
        assert pinger.more(5, 2) < 0.2
        b.uplink.cut()
        before = len(pinger.replies())
        with pytest.raises(AssertionError):
            pinger.more(5, 0.5)
        assert len(pinger.replies()) <= before + 1


@pytest.mark.parametrize(
    "payload, size, kind",
    [
        (b"\1\0\0\0", 148, Kind.INITIATION),
        (b"\1\0\0\0", 149, Kind.OTHER),
        (b"\2\0\0\0", 92, Kind.RESPONSE),
        (b"\3\0\0\0", 64, Kind.COOKIE),
        (b"\4\0\0\0", 32, Kind.DATA),
        (b"\4\0\0\0", 31, Kind.OTHER),
        (b"\4\1\0\0", 100, Kind.OTHER),
        (b"\4", 1, Kind.OTHER),
    ],
)
def test_wireguard_is_known_by_its_shape(payload, size, kind):
    assert kind_of(payload, size) is kind


CRASH = """
import subprocess, time
from harness import Network, Run
run = Run()
host = Network(run).public("a", "203.0.113.20", delay_ms=1)
sleeper = host.spawn("sh", "-c", "echo in its namespace; exec sleep 1000", stdout=subprocess.PIPE)
sleeper.stdout.readline()
print(run.id, sleeper.pid, flush=True)
time.sleep(1000)
"""


def test_what_a_crashed_run_left_is_removed_by_the_next():
    """Namespaces, processes, the folder; and nothing of a run that lives."""
    alive = Run()
    try:
        crashed = subprocess.Popen(
            [sys.executable, "-c", CRASH], cwd=HERE, stdout=subprocess.PIPE, text=True
        )
        run_id, sleeper = crashed.stdout.readline().split()
        crashed.kill()
        crashed.wait()
        assert _namespaces_of(run_id) and _is_running(sleeper)
        remove_leftovers()
        assert not _namespaces_of(run_id) and not _is_running(sleeper)
        assert not glob.glob(f"/tmp/*{run_id}*")
        assert os.path.isdir(alive.folder)
    finally:
        alive.close()
    assert not os.path.exists(alive.folder)


def _is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def _namespaces_of(run_id):
    return [name for name in os.listdir("/run/netns") if run_id in name]


# The proof must be able to fail. Two plain WireGuard devices stand for two nodes: in the first test their
# packets go straight, in the second the hub passes them on.


@pytest.fixture
def devices(net, run):
    """Two hosts with a WireGuard device each, and a hub without one."""
    hub = net.public("hub", "203.0.113.10")
    hosts = [net.public("a", "203.0.113.20"), net.public("b", "203.0.113.30")]
    keys = [_key_pair() for _ in hosts]
    for number, host in enumerate(hosts):
        host.interface = run.interface_name(host.name)
        host.mesh = f"100.100.96.{number + 2}"
        host.spawn("wireguard-go", "--foreground", host.interface, stderr=subprocess.DEVNULL)
        wait_for(lambda: _is_up(host), 5, "wireguard-go")
        private, _ = keys[number]
        host.run(
            *("wg", "set", host.interface, "listen-port", "51820", "private-key", "/dev/stdin"),
            *("peer", keys[1 - number][1], "allowed-ips", "100.100.96.0/24"),
            input=private,
        )
        host.namespace.ip(
            f"address add {host.mesh}/24 dev {host.interface}", f"link set {host.interface} up"
        )
    hosts[0].peer_key, hosts[1].peer_key = keys[1][1], keys[0][1]
    return hub, *hosts


def _key_pair():
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(
        ["wg", "pubkey"], input=private, capture_output=True, text=True, check=True
    )
    return private, public.stdout.strip()


def _is_up(host):
    return host.run("wg", "show", host.interface, check=False).returncode == 0


def _set_endpoint(host, address, port=51820):
    host.run("wg", "set", host.interface, "peer", host.peer_key, "endpoint", f"{address}:{port}")


def test_the_proof_holds_for_a_direct_path(devices):
    hub, a, b = devices
    _set_endpoint(a, b.public)
    assert ping(a, b.mesh, count=5) == 5
    prove_direct(a, b, b.mesh, hub)


def test_the_proof_fails_when_data_crosses_the_hub(devices):
    hub, a, b = devices
    ends = [hub.namespace.socket(), hub.namespace.socket()]
    for port, end in enumerate(ends):
        end.bind((hub.public, 7000 + port))
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    is_over = threading.Event()
    relay = threading.Thread(target=_relay, args=(ends, [(a.public, 51820), (b.public, 51820)], is_over))
    relay.start()
    try:
        _set_endpoint(a, hub.public, 7000)
        _set_endpoint(b, hub.public, 7001)
        assert ping(a, b.mesh, count=5) == 5
        with pytest.raises(AssertionError, match="pings' size passed the hub"):
            prove_direct(a, b, b.mesh, hub)
    finally:
        is_over.set()
        relay.join()


def _relay(ends, destinations, is_over):
    """What comes in at one end goes out at the other."""
    while not is_over.is_set():
        for readable in select.select(ends, [], [], 0.1)[0]:
            other = 1 - ends.index(readable)
            ends[other].sendto(readable.recv(2048), destinations[other])
