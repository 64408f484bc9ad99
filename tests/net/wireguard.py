"""`wayleave wg` in a host, as tests/interop starts it, with its status; and attacks on it."""

import contextlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "interop"))

from device import Device, impatient, wayleave  # noqa: E402, after the path
from harness import binary, first_reply  # noqa: E402

__all__ = ["Flood", "WireGuard", "add_sources", "attacker", "connected_pair", "impatient", "priority", "wayleave"]
PATIENCE = 10
FLOOD_SOURCES = 100
FLOOD_FIRST = "198.51.101.1"
FLOOD_NETWORK = "198.51.101.0/24"


class WireGuard(Device):
    """One of `wayleave wg` (or impatient)."""

    def status(self):
        """`wayleave status --json` as a dictionary."""
        words = "status", "-i", self.interface, "--json"
        return json.loads(self.host.run(binary(), *words, env=self.environment()).stdout)

    def counters(self):
        return self.status()["counters"]

    def drops(self):
        """By reason, those that happened."""
        return {name: count for name, count in self.counters()["drops"].items() if count}


def connected_pair(hosts, implementation=wayleave, **variables):
    """A device in each host that has a session with the other. variables: of their environment."""
    pair = [WireGuard(host, host.name, implementation, number).start(**variables) for number, host in enumerate(hosts, 1)]
    pair[0].connect(pair[1])
    assert first_reply(pair[0].host, pair[1].address, PATIENCE) is not None
    return pair


def add_sources(host):
    prefix, last = FLOOD_FIRST.rsplit(".", 1)
    numbers = range(int(last), int(last) + FLOOD_SOURCES)
    host.namespace.ip(*(f"address add {prefix}.{number}/32 dev eth0" for number in numbers))


def attacker(net, name="attacker", public="198.51.100.66"):
    """A host with FLOOD_SOURCES further addresses, all routed to it."""
    host = net.public(name, public)
    add_sources(host)
    net.core.ip(f"route add {FLOOD_NETWORK} via {public} dev {host.uplink.core_port}")
    return host


class Flood:
    """From an attacker, of one kind (flood.c), until the block ends or its time is up. ended() waits, and
    tells what it says."""

    def __init__(self, host, kind, to, rate, milliseconds, detail=()):
        program = os.path.join(os.path.dirname(binary()), "..", "..", "tests", "net", "flood")
        words = kind, *to, rate, milliseconds, FLOOD_FIRST, FLOOD_SOURCES, *detail
        self._process = host.spawn(program, *map(str, words), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        self._seconds = milliseconds / 1000 + PATIENCE

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def ended(self):
        said = self._process.communicate(timeout=self._seconds)[0]
        assert self._process.returncode == 0
        return json.loads(said)


@contextlib.contextmanager
def priority(nice):
    """Of this process and all that it starts meanwhile. Where the kernel groups processes by session, nice
    values count inside of a group only, and the group has one of its own."""
    group = "/proc/self/autogroup"
    before = os.nice(0)
    os.nice(nice - before)
    grouped = _write(group, nice)
    try:
        yield
    finally:
        if grouped:
            _write(group, 0)
        os.setpriority(os.PRIO_PROCESS, 0, before)


def _write(path, value):
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(value))
    except OSError:
        return False
    return True
