#!/usr/bin/python3
"""Measures many nodes on one hub: real daemons, each in a network namespace with a public address of its
own, and a simulation of more. How long joining takes, memory, how fast a change reaches everybody, and what idle nodes do.

Nothing is asked of the daemons while they are measured: their log lines are events, the rest is /proc. Needs root.
docs/performance.md says more."""

import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import threading
import time

import lab
from harness import Hub, Network, Node, Run, wait_for
from harness.run import remove_leftovers

HUB = "203.0.113.10"
MESH = "100.100.96.1/20"
JOIN_SECONDS = 180
PUSH_SECONDS = 30
SETTLE_SECONDS = 75  # a pair is idle after 45 s without data
READ_BYTES = 1 << 16
SIMULATED_PAIR_BYTES = 14000  # memory for each thing that one simulated node knows of another


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=os.path.abspath, default=os.path.join(lab.ROOT, "build"), help="build folder")
    parser.add_argument("--nodes", type=int, default=200, help="real ones, 2..1000; 0: none; default: 200")
    parser.add_argument("--simulated", type=int, default=1000, help="0: none; default: 1000")
    parser.add_argument("--idle", type=float, default=60, metavar="SECONDS", help="how long the idle nodes are watched; default: 60")
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS, metavar="SECONDS", help=f"how long they are left alone before; default: {SETTLE_SECONDS}")
    parser.add_argument("--quick", action="store_true", help="--nodes 20 --simulated 200 --idle 15 --settle 5")
    parser.add_argument("--json", metavar="FILE", help="write the numbers of the real nodes there")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.simulated, options.idle, options.settle = 20, 200, 15, 5
    if options.nodes and not 2 <= options.nodes <= 1000:
        parser.error("--nodes: 2..1000, or 0 for none")
    return options


class Events:
    """What the nodes log, as it comes, through one pipe: (seconds, interface, event, peer)."""

    def __init__(self):
        self._read, self.write = os.pipe2(os.O_CLOEXEC)
        self._stop, self._stopped = os.pipe2(os.O_CLOEXEC)
        self._seen = {}  # (interface, event, peer) -> seconds of the newest
        self.tend = lambda: None  # called while it waits
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self):
        os.write(self._stopped, b"x")
        self._thread.join()
        for descriptor in self._read, self.write, self._stop, self._stopped:
            os.close(descriptor)

    def _follow(self):
        left = b""
        while True:
            ready, _, _ = select.select([self._read, self._stop], [], [])
            if self._stop in ready:
                return
            *lines, left = (left + os.read(self._read, READ_BYTES)).split(b"\n")
            now = time.monotonic()
            for line in lines:
                self._take(line.decode("utf-8", "replace").split(), now)

    def _take(self, words, now):
        fields = dict(word.split("=", 1) for word in words if "=" in word)
        event = next((word for word in words if word in ("hub-link", "peer-joined", "peer-left")), None)
        if event and (event != "hub-link" or fields.get("state") == "up"):
            self._seen[fields.get("interface"), event, fields.get("peer")] = now

    def time_of(self, node, event, peer=None):
        """None: not yet."""
        return self._seen.get((node.interface, event, peer.name if peer else None))

    def await_all(self, wanted, seconds, what):
        """wanted: (node, event, peer) each. Returns the times."""
        waiting = list(wanted)

        def is_there():
            self.tend()
            while waiting and self.time_of(*waiting[-1]):
                waiting.pop()
            return not waiting

        everything = list(waiting)
        wait_for(is_there, seconds, what)
        return [self.time_of(*one) for one in everything]


class LoggedNode(Node):
    """A Node whose log goes to Events."""

    def __init__(self, host, name, events):
        super().__init__(host, name)
        self._events = events

    def spawn(self, *words, stdin=subprocess.DEVNULL, wrapper=()):
        return self.host.spawn(
            *wrapper, self.program, *words, env=self.environment(), stdin=stdin, stdout=self._events.write, stderr=self._events.write
        )


def cpu_seconds(pid):
    """Of its only thread, to the nanosecond where the kernel tells."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9
    except (OSError, IndexError):
        return lab.process_seconds(pid)


def switches(pid):
    """How often it went to sleep since it started."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


class Mesh:
    """The hub, and nodes that are added to it."""

    def __init__(self, run, count):
        self.network = Network(run)
        self.events = Events()
        self.hub = Hub(self.network.public("hub", HUB), address=MESH)
        self.token = self.hub.token("--reusable")
        self.nodes = []
        self.again = 0  # `up` that ended without an answer, and were started again
        for number in range(count):
            # One address each: a hub takes five enrolments of one address in a second.
            public = f"198.51.{100 + number // 250}.{number % 250 + 1}"
            name = f"n{number}"
            self.nodes.append(LoggedNode(self.network.public(name, public), name, self.events))

    def close(self):
        try:
            self.network.close()
        finally:
            self.events.close()

    def join(self, nodes, others, seconds):
        """Starts them at once. Returns when they started, had their links, and knew all and were known."""
        start = time.monotonic()
        for node in nodes:
            node.join(self.token, is_awaited=False)
        self.events.tend = lambda: self._join_again(nodes)
        linked = self.events.await_all([(node, "hub-link", None) for node in nodes], seconds, "all to have links")
        everybody = nodes + others
        known = self.events.await_all(
            [(one, "peer-joined", other) for one in nodes for other in everybody if one is not other]
            + [(other, "peer-joined", one) for one in nodes for other in others],
            seconds,
            "all to know each other",
        )
        return start, linked, known

    def _join_again(self, nodes):
        """Those that gave up, as a service manager does: a hub that many enrol with lets them wait."""
        for node in nodes:
            if node.process.poll() is not None:
                self.again += 1
                node.join(self.token, is_awaited=False)

    def processes(self):
        return [node.process.pid for node in self.nodes if node.process]


def measure_join(mesh, early):
    pid = mesh.hub.process.pid
    before = cpu_seconds(pid)
    start, linked, known = mesh.join(early, [], JOIN_SECONDS)
    return {
        "first_link": min(linked) - start,
        "last_link": max(linked) - start,
        "all_know_all": max(known) - start,
        "started_again": mesh.again,
        "hub_cpu": cpu_seconds(pid) - before,
        "nodes_cpu": spread([cpu_seconds(node) for node in mesh.processes()]),
    }


def measure_memory(mesh):
    hub = lab.memory_mib(mesh.hub.process.pid)
    nodes = [lab.memory_mib(pid) for pid in mesh.processes()]
    return {
        "hub_anonymous": hub[0],
        "hub_resident": hub[1],
        "node_anonymous": spread([one[0] for one in nodes]),
        "node_resident": spread([one[1] for one in nodes]),
    }


def measure_addition(mesh, early, late):
    """From the start of the newcomer's process, its enrolment included, to the last one that knows it."""
    pid = mesh.hub.process.pid
    before = cpu_seconds(pid)
    start, _, _ = mesh.join([late], early, PUSH_SECONDS)
    known = [mesh.events.time_of(node, "peer-joined", late) for node in early]
    return {"first": min(known) - start, "last": max(known) - start, "hub_cpu": cpu_seconds(pid) - before}


def measure_removal(mesh, early, late):
    """From the start of the command, its process included."""
    pid = mesh.hub.process.pid
    before, start = cpu_seconds(pid), time.monotonic()
    mesh.hub.hub("node", "remove", late.name)
    mesh.events.tend = lambda: None  # the one that is removed ends
    known = mesh.events.await_all([(node, "peer-left", late) for node in early], PUSH_SECONDS, "all to know the removal")
    return {"first": min(known) - start, "last": max(known) - start, "hub_cpu": cpu_seconds(pid) - before}


def measure_idle(mesh, early, seconds):
    pids = [mesh.hub.process.pid] + [node.process.pid for node in early]
    start = time.monotonic()
    before = [(cpu_seconds(pid), switches(pid)) for pid in pids]
    time.sleep(seconds)
    after = [(cpu_seconds(pid), switches(pid)) for pid in pids]
    minutes = (time.monotonic() - start) / 60
    cpu = [(b[0] - a[0]) / minutes for a, b in zip(before, after)]
    wakes = [(b[1] - a[1]) / minutes for a, b in zip(before, after)]
    return {
        "seconds": minutes * 60,
        "hub_cpu_ms": cpu[0] * 1000,
        "hub_wakes": wakes[0],
        "node_cpu_ms": spread([value * 1000 for value in cpu[1:]]),
        "node_wakes": spread(wakes[1:]),
        "paths": spread([paths_of(node) for node in early[:: max(1, len(early) // 20)]]),
        "load": os.getloadavg()[0],
    }


def paths_of(node):
    return sum(peer["path"]["rung"] != "none" for peer in node.peers().values())


def measure(options):
    if os.geteuid() != 0:
        sys.exit("scale.py: network namespaces need root")
    os.environ["WAYLEAVE"] = os.path.join(options.build, "src", "cmd", "wayleave")
    remove_leftovers()
    run = Run()
    try:
        mesh = Mesh(run, options.nodes + 1)
        try:
            return measure_mesh(mesh, options)
        finally:
            mesh.close()
    finally:
        run.close()


def measure_mesh(mesh, options):
    *early, late = mesh.nodes
    result = {"nodes": options.nodes, "load": os.getloadavg()[0]}
    result["join"] = measure_join(mesh, early)
    time.sleep(options.settle)
    result["memory"] = measure_memory(mesh)
    result["idle"] = measure_idle(mesh, early, options.idle)
    result["addition"] = measure_addition(mesh, early, late)
    result["removal"] = measure_removal(mesh, early, late)
    return result


def report(result):
    join, memory, idle = result["join"], result["memory"], result["idle"]
    several = "{0[median]:.1f} ({0[least]:.1f}..{0[most]:.1f})".format
    yield f"{result['nodes']} nodes in namespaces, one hub; load average at the start {result['load']:.1f}"
    yield f"  joining, all at once: first link after {join['first_link']:.2f} s, last after {join['last_link']:.2f} s, everybody knows everybody after {join['all_know_all']:.2f} s"
    yield f"  nodes that gave up enrolling after 15 s, and were started again: {join['started_again']}"
    yield f"  CPU of the hub meanwhile {join['hub_cpu']:.2f} s, of a node {join['nodes_cpu']['median']:.2f} s ({join['nodes_cpu']['least']:.2f}..{join['nodes_cpu']['most']:.2f})"
    yield f"  memory of the hub: RssAnon {memory['hub_anonymous']:.1f} MiB, RSS {memory['hub_resident']:.1f} MiB"
    yield f"  memory of a node, MiB: RssAnon {several(memory['node_anonymous'])}, RSS {several(memory['node_resident'])}"
    for what, name in ("addition", "one node more, from the start of its process"), ("removal", "one node less, from the command's start"):
        one = result[what]
        yield f"  {name}: the first knows after {one['first'] * 1000:.0f} ms, the last after {one['last'] * 1000:.0f} ms; CPU of the hub {one['hub_cpu'] * 1000:.0f} ms"
    yield f"  idle for {idle['seconds']:.0f} s, paths of a node {several(idle['paths'])}, load average {idle['load']:.1f}"
    yield f"  idle node, a minute: CPU ms {several(idle['node_cpu_ms'])}, wakes {several(idle['node_wakes'])}"
    yield f"  idle hub, a minute: CPU ms {idle['hub_cpu_ms']:.0f}, wakes {idle['hub_wakes']:.0f}"


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


def simulate(options):
    program = os.path.join(options.build, "tests", "sim", "simulate")
    wanted = options.simulated**2 * SIMULATED_PAIR_BYTES
    if wanted > available_bytes():
        print(f"the simulation of {options.simulated} nodes is left out: it needs {wanted / 1e9:.0f} GB of free memory")
        return 0
    return subprocess.run([program, "--scale", str(options.simulated)], check=False).returncode


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.nodes:
        result = measure(options)
        print("\n".join(report(result)), flush=True)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=1)
                file.write("\n")
    return simulate(options) if options.simulated else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
