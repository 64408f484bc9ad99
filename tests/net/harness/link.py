"""Links: veth pairs, or with a delay two TAP devices and a process between them (../delay.c)."""

import itertools
import os
import subprocess

DELAY_SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "delay.c")

_stations = itertools.count(1)


def build_delay(folder):
    """Compiles delay.c once per run."""
    program = os.path.join(folder, "delay")
    if not os.path.exists(program):
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", program, DELAY_SOURCE], check=True)
    return program


class Link:
    """Between two interfaces that it creates, both up. Frames have the size they have on a wire: a filter
    or a capture sees no super-packets. delay_ms is one way; lost frames are the same for the same seed."""

    def __init__(self, end, other_end, delay_ms=0, loss_percent=0, seed=1, folder="/tmp"):
        self.end, self.other_end = end, other_end
        self.address, self.other_address = _next_address(), _next_address()
        self._process = None
        if delay_ms or loss_percent:
            self._start_process(delay_ms, loss_percent, seed, folder)
        else:
            self._make_pair()
        for (namespace, interface), address in (
            (end, self.address),
            (other_end, self.other_address),
        ):
            namespace.ip(f"link set {interface} address {address} gso_max_segs 1 up")

    def cut(self):
        """Removes both interfaces."""
        if self._process:
            self._process.terminate()
            self._process.wait()
        else:
            namespace, interface = self.end
            namespace.ip(f"link delete {interface}")

    def _make_pair(self):
        (namespace, interface), (other, other_interface) = self.end, self.other_end
        namespace.ip(
            f"link add {interface} type veth peer name {other_interface} netns {other.name}",
        )

    def _start_process(self, delay_ms, loss_percent, seed, folder):
        ends = [part for space, name in (self.end, self.other_end) for part in (space.name, name)]
        options = {"delay-us": delay_ms * 1000, "loss-ppm": loss_percent * 10000, "seed": seed}
        argv = [build_delay(folder)]
        for option, value in options.items():
            argv += ["--" + option, str(int(value))]
        self._process = subprocess.Popen(argv + ends, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n", "the delay process did not start"


def _next_address():
    number = next(_stations)
    return f"02:00:00:00:{number >> 8 & 255:02x}:{number & 255:02x}"
