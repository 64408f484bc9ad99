"""Two workers at both ends, forced, while traffic goes both ways and wg(8) changes things.

    hub (198.51.100.1) --- core --- spokes (198.51.100.2, .3, .4)     inside: 10.9.0.1 --- 10.9.0.2, .3, .4
"""

import json
import subprocess

import pytest
from device import Device, keys, wayleave_with_workers
from harness import Pinger, echoes, first_reply, wait_for

PATIENCE = 10  # seconds; one retry of a handshake takes 5
TRAFFIC_SECONDS = 5
STREAMS = 8
SPOKES = 3
FIRST_PORT = 5201

pytestmark = pytest.mark.needs("wg", "iperf3")


@pytest.fixture
def star(net):
    """The hub's device and those of its spokes, all connected."""
    devices = []
    for number in range(1, SPOKES + 2):
        host = net.public("hub" if number == 1 else f"spoke{number}", f"198.51.100.{number}")
        devices.append(Device(host, host.name, wayleave_with_workers(2), number).start())
    hub, *spokes = devices
    for spoke in spokes:
        spoke.connect(hub, "persistent-keepalive", "1")  # who moved is heard soon
        assert first_reply(spoke.host, hub.address, PATIENCE) is not None
    return hub, spokes


def threads(device):
    """Names of the threads of its process."""
    shown = subprocess.run(
        ["ps", "-L", "-o", "comm=", "-p", str(device.process.pid)], capture_output=True, text=True, check=True
    )
    return shown.stdout.split()


class Iperf:
    """TCP in both directions from a spoke to the hub."""

    def __init__(self, hub, spoke, port):
        self.server = hub.host.spawn(
            *("iperf3", "-s", "-1", "--forceflush", "-B", hub.address, "-p", str(port)),
            stdout=subprocess.PIPE,
            text=True,
        )
        while "listening" not in (line := self.server.stdout.readline()):
            assert line, "iperf3 ended"
        self.client = spoke.host.spawn(
            *("iperf3", "-c", hub.address, "-p", str(port), "-P", str(STREAMS), "--bidir", "-J"),
            *("-t", str(TRAFFIC_SECONDS), "--connect-timeout", str(PATIENCE * 1000)),
            stdout=subprocess.PIPE,
            text=True,
        )

    def is_over(self):
        return self.client.poll() is not None

    def bytes(self):
        """What arrived, there and back."""
        report = json.loads(self.client.communicate()[0])
        self.server.communicate()
        assert "error" not in report, report["error"]
        end = report["end"]
        return end["sum_received"]["bytes"], end["sum_received_bidir_reverse"]["bytes"]


def change(hub, spoke, round_number):
    """Peers come and go, allowed IPs move there and back, and a device moves to another port and is followed."""
    public, prefix = keys()[1], f"10.77.{round_number % 250}.0/24"
    hub.wg("set", hub.interface, "peer", public, "allowed-ips", prefix, "endpoint", "198.51.100.99:9")
    hub.set_peer(spoke)
    hub.wg("set", hub.interface, "peer", public, "remove")
    hub.wg("set", hub.interface, "fwmark", hex(round_number % 2))
    if round_number % 4 == 0:
        spoke.port = 52000 + round_number % 1000
        spoke.wg("set", spoke.interface, "listen-port", str(spoke.port))


def test_traffic_both_ways_goes_on_while_everything_changes(star):
    hub, spokes = star
    assert len(threads(hub)) == 2
    with Pinger(hub.host, spokes[0].address) as pinger:
        pinger.more(1, PATIENCE)
        flows = [Iperf(hub, spoke, FIRST_PORT + i) for i, spoke in enumerate(spokes)]
        rounds = 0
        while not all(flow.is_over() for flow in flows):
            change(hub, spokes[rounds % SPOKES], rounds)
            rounds += 1
        assert rounds > 4
        for flow in flows:
            there, back = flow.bytes()
            assert there > 0 and back > 0
        pinger.more(5, PATIENCE)
    for spoke in spokes:
        wait_for(lambda spoke=spoke: echoes(spoke.host, hub.address, 20, 1000, PATIENCE) == 20, PATIENCE, "all echoes")
        assert hub.peer(spoke)["endpoint"] == f"{spoke.host.address}:{spoke.port}"
    assert hub.process.poll() is None
