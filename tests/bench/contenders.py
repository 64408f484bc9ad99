"""The tunnels that are compared: one end of each, with the same addresses, keys and MTU."""

import gzip
import os
import re
import subprocess

from lab import ROOT, ADDRESSES
from harness import wait_for  # after lab, which knows where it lies
import device
import packages

START_SECONDS = 10


class End(device.Device):
    """A WireGuard device as the interop tests start it, but without verbose logs."""

    is_wireguard = True

    def environment(self):
        return dict(os.environ, LOG_LEVEL="error", WAYLEAVE_RUN_DIR=self.host.network.folder)


class Shuttle(End):
    """Takes its peer on the command line, and has no socket to ask."""

    is_wireguard = False

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = self.host.spawn(*self.implementation(self), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: self.process.poll() is not None or self.log() == "ready\n", START_SECONDS, "the shuttle")
        assert self.process.poll() is None, f"{self.name} ended: {self.log()}"
        self.host.namespace.ip(f"address add {self.address}/24 dev {self.interface}", f"link set {self.interface} up")
        return self

    def set_peer(self, other, *words, endpoint=None, **options):
        pass


class Contender:
    """name: what the command line says. version: what the report says."""

    def __init__(self, name, title, version, argv, end=End):
        self.name, self.title, self.version, self.argv, self.end = name, title, version, argv, end

    def start(self, hosts, turn):
        """Both ends, connected; a round trip proves it. Each turn has interfaces of its own."""
        ends = [self.end(host, f"{'ab'[i]}{turn}", self.argv, i + 1) for i, host in enumerate(hosts)]
        for end, other in zip(ends, reversed(ends)):
            end.start()
        for end, other in zip(ends, reversed(ends)):
            end.set_peer(other, endpoint=other.host.address)
        ping = ["ping", "-n", "-q", "-c", "1", "-W", "1", ends[1].address]
        wait_for(lambda: hosts[0].run(*ping, check=False).returncode == 0, START_SECONDS, f"{self.name} to connect")
        return ends


def find(build, wanted):
    """The contenders of these names, in this order, and why others are missing."""
    makers = {"wayleave": _wayleave, "wireguard-go": _debian, "wireguard-go-bpo": _backports, "shuttle": _shuttle}
    found, missing = [], {}
    for name in wanted:
        try:
            found.append(makers[name](build))
        except (OSError, packages.Unavailable) as error:
            missing[name] = str(error)
    return found, missing


NAMES = "wayleave", "wireguard-go", "wireguard-go-bpo", "shuttle"


def _wayleave(build):
    program = os.path.join(build, "src", "cmd", "wayleave")
    commit = _output("git", "-C", ROOT, "describe", "--always", "--dirty").strip()
    version = _output(program, "--version").strip()
    return Contender("wayleave", "wayleave wg", f"{version} ({commit})", lambda name: [program, "wg", "--foreground", name])


def _wireguard_go(name, title, root):
    program = os.path.join(root, "usr", "bin", "wireguard-go")
    # What the program itself says is older than what it is made of.
    with gzip.open(os.path.join(root, "usr", "share", "doc", "wireguard-go", "changelog.Debian.gz"), "rt") as file:
        version = re.search(r"\((.+?)\)", file.readline()).group(1)
    return Contender(name, title, version, lambda interface: [program, "--foreground", interface])


def _debian(_):
    return _wireguard_go("wireguard-go", "wireguard-go, Debian 12", "/")


def _backports(_):
    return _wireguard_go("wireguard-go-bpo", "wireguard-go, backports", packages.unpacked("wireguard-go", packages.BACKPORTS))


def _shuttle(build):
    program = os.path.join(build, "tests", "bench", "shuttle")
    if not os.path.exists(program):
        raise FileNotFoundError(f"{program} was not built")

    def argv(end):
        other = 3 - int(end.address.rpartition(".")[2])
        return [program, end.interface, str(end.port), f"{ADDRESSES[other - 1]}:{51800 + other}"]

    return Contender("shuttle", "shuttle (no crypto)", "this tree", argv, Shuttle)


def _output(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120, **options).stdout
