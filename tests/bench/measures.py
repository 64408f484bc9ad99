"""What is measured of a running tunnel. Every measure returns numbers by name."""

import contextlib
import json
import os
import resource
import socket
import subprocess
import time

from lab import ADDRESSES, KSOFTIRQD, QUIET_SHARE, attacker, machine_seconds, memory_mib, process_seconds
from wireguard import Flood  # after lab, which knows where it lies

TCP_SECONDS = 3
TCP_PORT = 5201
UDP_PORT = 5300
UDP_SIZE = 1200
UDP_MILLISECONDS = 3000
UDP_LOSS = 0.01
UDP_RATES = 10_000, 320_000  # datagrams a second: the search begins with all of it
UDP_TRIALS = 7  # halve its logarithm so often: 2.7 % are left
UDP_KEEPS_PACE = 0.97  # a sender below this share of its rate is itself the bound
RTT_SIZE = 100
RTT_COUNT = 1000
FLOOD_RATE = 10_000  # initiations a second, from as many addresses as the attacker has
FLOOD_SECONDS = 5
FLOOD_COST_SECONDS = 2
FLOOD_LEAD_SECONDS = 2  # the flood begins before iperf3 does, and ends after it
FLOOD_SINK_PORT = 5400
TRIES = 3  # of a measurement that others disturbed
PROCESS_SECONDS = 60
GB = 1e9


class Bench:
    """The two ends of one contender, in one turn."""

    def __init__(self, build, hosts, ends, quiet):
        self.datagrams = os.path.join(build, "tests", "bench", "datagrams")
        self.hosts, self.ends, self.quiet = hosts, ends, quiet
        self.disturbed = 0  # measurements that count although others ran at the same time

    def run(self, names):
        """The named measures' numbers, in the order of MEASURES."""
        values = {}
        for name, measure in MEASURES.items():
            if name in names:
                values.update(measure(self))
        return values

    def undisturbed(self, measure):
        """measure() once more when other processes took part of the machine meanwhile."""
        for left in reversed(range(TRIES)):
            is_quiet = self.quiet.wait()
            watch = Watch(self.ends)
            value = measure(watch)
            watch.stop()
            if watch.foreign <= QUIET_SHARE or not left or not is_quiet:
                break
        self.disturbed += watch.foreign > QUIET_SHARE
        return value


class Watch:
    """CPU seconds from its making to stop(): of the tunnel's processes, of the machine, and the share of the
    machine that went to neither the tunnel nor the programs that load it nor the kernel's network threads."""

    def __init__(self, ends):
        self._ends = ends
        self._start = self._now()

    def _now(self):
        tunnel = sum(process_seconds(end.process.pid) for end in self._ends)
        return tunnel, _load_seconds(), machine_seconds(), time.monotonic()

    def stop(self):
        self.tunnel, load, self.machine, seconds = (b - a for a, b in zip(self._start, self._now()))
        self.foreign = max(0.0, (self.machine - self.tunnel - load) / seconds / os.cpu_count())


def _load_seconds():
    """This program's, its ended children's and ksoftirqd's. Nothing else of the load is running now."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(process_seconds, KSOFTIRQD))


def _tcp(bench, streams, seconds=TCP_SECONDS, meanwhile=contextlib.nullcontext):
    """iperf3's report of one run from the first host to the second, and its watch."""

    def measure(watch):
        host, other = bench.hosts
        address = bench.ends[1].address
        server = other.spawn("iperf3", "-s", "-1", "--forceflush", "-B", address, "-p", str(TCP_PORT), stdout=subprocess.PIPE, text=True)
        _read_until(server, "Server listening")
        client = ["iperf3", "-c", address, "-p", str(TCP_PORT), "-t", str(seconds), "-P", str(streams), "-J"]
        with meanwhile():
            report = json.loads(host.run(*client).stdout)
        server.communicate(timeout=PROCESS_SECONDS)
        return report["end"]["sum_received"], watch

    return bench.undisturbed(measure)


def tcp1(bench):
    received, watch = _tcp(bench, 1)
    gigabytes = received["bytes"] / GB
    return {
        "tcp1_gbit": received["bits_per_second"] / 1e9,
        "tunnel_s_per_gb": watch.tunnel / gigabytes,
        "machine_s_per_gb": watch.machine / gigabytes,
    }


def tcp4(bench):
    received, _ = _tcp(bench, 4)
    return {"tcp4_gbit": received["bits_per_second"] / 1e9}


def rtt(bench):
    def measure(_):
        host, other = bench.hosts
        address = bench.ends[1].address
        echo = other.spawn(bench.datagrams, "echo", address, str(UDP_PORT), stdout=subprocess.PIPE, text=True)
        _read_until(echo, "ready")
        try:
            return json.loads(host.run(bench.datagrams, "ping", address, str(UDP_PORT), str(RTT_SIZE), str(RTT_COUNT)).stdout)
        finally:
            echo.terminate()
            echo.communicate(timeout=PROCESS_SECONDS)

    report = bench.undisturbed(measure)
    return {"rtt_p50_us": report["p50"], "rtt_p99_us": report["p99"]}


def udp(bench):
    """The highest rate with little loss, by halving the logarithm of the range."""
    low, high = UDP_RATES
    best = 0.0
    for _ in range(UDP_TRIALS):
        rate = int((low * high) ** 0.5)
        loss, received, keeps_pace = bench.undisturbed(lambda _: _udp_trial(bench, rate))
        if loss < UDP_LOSS:
            best = max(best, received)
        if loss < UDP_LOSS and keeps_pace:
            low = rate
        else:
            high = rate
    return {"udp_pps": best}


def _udp_trial(bench, rate):
    """(share that was lost, received a second, whether the sender kept its pace)"""
    host, other = bench.hosts
    address = bench.ends[1].address
    sink = other.spawn(bench.datagrams, "sink", address, str(UDP_PORT), stdout=subprocess.PIPE, text=True)
    _read_until(sink, "ready")
    words = address, UDP_PORT, UDP_SIZE, rate, UDP_MILLISECONDS
    sent = json.loads(host.run(bench.datagrams, "send", *map(str, words)).stdout)
    received = json.loads(sink.communicate(timeout=PROCESS_SECONDS)[0])["received"]
    loss = 1 - received / sent["sent"]
    return loss, received / sent["seconds"], sent["sent"] / sent["seconds"] >= UDP_KEEPS_PACE * rate


def flood(bench):
    """What strangers cost who know the public key of the second end: the share of TCP that is left when they send
    to its port instead of to one where nobody reads, and its CPU time for each of their messages."""
    end = bench.ends[1]
    if not end.is_wireguard:
        return {}
    host = attacker(bench.hosts)

    def sent_to(port, seconds):
        return Flood(host, "initiations", (ADDRESSES[1], port), FLOOD_RATE, seconds * 1000, [end.public_key])

    def gbit(port):
        received, _ = _tcp(bench, 1, FLOOD_SECONDS, lambda: sent_to(port, FLOOD_SECONDS + FLOOD_LEAD_SECONDS))
        return received["bits_per_second"] / 1e9

    with bench.hosts[1].namespace.socket() as sink:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        sink.bind((ADDRESSES[1], FLOOD_SINK_PORT))
        elsewhere = gbit(FLOOD_SINK_PORT)
    here = gbit(end.port)
    before = process_seconds(end.process.pid)
    with sent_to(end.port, FLOOD_COST_SECONDS) as running:
        messages = running.ended()["sent"]
    cost = process_seconds(end.process.pid) - before
    return {"flood_elsewhere_gbit": elsewhere, "flood_gbit": here, "flood_share": here / elsewhere, "flood_us": cost / messages * 1e6}


def memory(bench):
    """Of the larger end."""
    anonymous, resident = (max(values) for values in zip(*(memory_mib(end.process.pid) for end in bench.ends)))
    return {"anonymous_mib": anonymous, "resident_mib": resident}


# In this order: the idle round trip first, memory after the load.
MEASURES = {"rtt": rtt, "tcp1": tcp1, "tcp4": tcp4, "udp": udp, "flood": flood, "memory": memory}


def crypto(build):
    """ns per packet of 1420 bytes and core."""
    program = os.path.join(build, "tests", "bench", "crypto_cost")
    return json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)


def _read_until(process, word):
    """Reads its output up to the line that begins with the word."""
    for line in process.stdout:
        if line.startswith(word):
            return
    raise AssertionError(f"{process.args[4]} ended before it was ready")
