"""Where the measurements happen: two namespaces joined by a veth pair, and how busy the machine is."""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for folder in "net", "interop":
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))

from harness import Host, Network  # noqa: E402
import wireguard  # noqa: E402
from wireguard import priority  # noqa: E402, for run.py

OUTER_MTU = 1500
ADDRESSES = "192.0.2.1", "192.0.2.2"
TICKS = os.sysconf("SC_CLK_TCK")
BUSY_FIELDS = 0, 1, 2, 5, 6, 7  # user nice system irq softirq steal of /proc/stat
QUIET_SHARE = 0.10  # of the machine that others may use when a measurement begins
SAMPLE_SECONDS = 0.5


def _processes_named(prefix):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read().startswith(prefix):
                    found.append(int(pid))
        except OSError:
            pass  # ended meanwhile
    return found


KSOFTIRQD = _processes_named("ksoftirqd/")


def lab(run):
    """The two hosts. Closing host.network removes them with everything that runs in them."""
    network = Network(run)
    hosts = Host(network, "a"), Host(network, "b")
    first, second = (host.namespace for host in hosts)
    first.ip(f"link add eth0 mtu {OUTER_MTU} type veth peer name eth0 mtu {OUTER_MTU} netns {second.name}")
    for host, address in zip(hosts, ADDRESSES):
        host.namespace.ip(f"address add {address}/24 dev eth0", "link set eth0 up")
        host.address = address
    return hosts


def attacker(hosts):
    """A third host with a cable to the second, and many addresses; the same one each time."""
    network = hosts[0].network
    if not hasattr(network, "attacker"):
        host, target = Host(network, "c"), hosts[1].namespace
        host.namespace.ip(f"link add eth0 mtu {OUTER_MTU} type veth peer name eth1 mtu {OUTER_MTU} netns {target.name}", "link set eth0 up")
        wireguard.add_sources(host)
        target.ip("link set eth1 up", f"route add {wireguard.FLOOD_NETWORK} dev eth1")
        host.namespace.ip(f"route add {ADDRESSES[1]}/32 dev eth0")
        network.attacker = host
    return network.attacker


def machine_seconds():
    """CPU seconds that the whole machine has spent since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return sum(fields[index] for index in BUSY_FIELDS) / TICKS


def process_seconds(pid):
    """CPU seconds of a process with all its threads."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid):
    """(anonymous, all resident) memory of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        values = dict(line.split(":", 1) for line in file if ":" in line)
    return tuple(int(values[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS"))


class Quiet:
    """Waits until others leave the machine alone, as long as its patience lasts over the whole run."""

    def __init__(self, patience):
        self.patience, self.waited, self.gave_up = patience, 0.0, 0

    def wait(self):
        """True when the machine is quiet. Call it when nothing of ours is running."""
        start = time.monotonic()
        while _busy_share() > QUIET_SHARE:
            if self.waited + time.monotonic() - start > self.patience:
                self.gave_up += 1
                break
        else:
            self.waited += max(0.0, time.monotonic() - start - SAMPLE_SECONDS)
            return True
        self.waited += time.monotonic() - start
        return False


def _busy_share():
    before, start = machine_seconds(), time.monotonic()
    time.sleep(SAMPLE_SECONDS)
    return (machine_seconds() - before) / (time.monotonic() - start) / os.cpu_count()
