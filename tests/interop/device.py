"""A userspace WireGuard interface in a host, ours or another implementation's, configured by wg(8)."""

import os
import shlex
import signal
import subprocess

from harness import binary, wait_for
from machine import WG
from packages import BACKPORTS, unpacked
from uapi import talk

UAPI_FOLDER = "/var/run/wireguard"
START_SECONDS = 10
END_SECONDS = 10
MTU = 1420


def wayleave(interface):
    return [binary(), "wg", "--foreground", interface]


def impatient(interface):
    """wayleave wg with short sessions (impatient.c)."""
    return [os.path.join(os.path.dirname(binary()), "..", "..", "tests", "interop", "impatient"), interface]


def wayleave_with_workers(count):
    return lambda interface: [binary(), "wg", "--foreground", "--workers", str(count), interface]


def wireguard_go(interface):
    return ["wireguard-go", "--foreground", interface]


def wireguard_go_of_backports(interface):
    program = os.path.join(unpacked("wireguard-go", BACKPORTS), "usr", "bin", "wireguard-go")
    return [program, "--foreground", interface]


def keys():
    """A private key and its public key."""
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout
    return private.strip(), public.strip()


def preshared_key():
    return subprocess.run(["wg", "genpsk"], capture_output=True, text=True, check=True).stdout.strip()


class Device:
    """number: decides key, port and the addresses inside (10.9.0.number, fd09::number)."""

    def __init__(self, host, name, implementation, number):
        self.host, self.implementation = host, implementation
        self.name, self.interface = name, host.network.run.interface_name(name)
        self.port = 51800 + number
        self.address, self.address6 = f"10.9.0.{number}", f"fd09::{number}"
        self.private_key, self.public_key = keys()
        self.socket = os.path.join(UAPI_FOLDER, self.interface + ".sock")
        self.log_path = os.path.join(host.network.folder, name + ".log")
        self.process = None
        with open(self.log_path, "ab"):
            pass
        host.network.daemons.append(self)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def environment(self):
        """LOG_LEVEL would keep the output of a daemon open, and who reads it to its end would wait."""
        return dict(os.environ, LOG_LEVEL="", WAYLEAVE_RUN_DIR=self.host.network.folder)

    def start(self, pass_fds=(), **variables):
        """Its process, socket, addresses, up. variables: of its environment."""
        with open(self.log_path, "ab") as log:
            self.process = self.host.spawn(
                *self.implementation(self.interface),
                env=dict(self.environment(), **{"LOG_LEVEL": "verbose", **variables}),
                pass_fds=pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: self.process.poll() is not None or self.answers(), START_SECONDS, "the UAPI socket")
        assert self.process.poll() is None, f"{self.name} ended: {self.log()}"
        self.set_key()
        self.host.namespace.ip(
            f"address add {self.address}/24 dev {self.interface}",
            f"address add {self.address6}/64 dev {self.interface}",
            f"link set {self.interface} mtu {MTU} up",
        )
        return self

    def set_key(self):
        words = "listen-port", str(self.port), "private-key", "/dev/stdin"
        self.wg("set", self.interface, *words, input=self.private_key)

    def answers(self):
        """Asked without wg(8), which removes a socket that is bound and does not listen yet."""
        try:
            return talk(self.socket, b"get=1\n\n").endswith(b"errno=0\n\n")
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def moved(self):
        """To be called when its host has other addresses."""

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        return self.process.wait(END_SECONDS)

    def wg(self, *words, **options):
        return self.host.run("wg", *words, **options)

    def set_peer(self, other, *words, endpoint=None, **options):
        """other's addresses are allowed; endpoint: an IP address of other's host, if it is told."""
        if endpoint:
            shown = f"[{endpoint}]" if ":" in endpoint else endpoint
            words += ("endpoint", f"{shown}:{other.port}")
        allowed = f"{other.address}/32,{other.address6}/128"
        return self.wg(
            *("set", self.interface, "peer", other.public_key, "allowed-ips", allowed, *words), **options
        )

    def connect(self, other, *words, **options):
        """We know where the other is; it learns it from the handshake, so it must know us first."""
        other.set_peer(self, *words, **options)
        self.set_peer(other, *words, endpoint=other.host.address, **options)

    def peers(self):
        """What `wg show dump` says, by public key."""
        lines = self.wg("show", self.interface, "dump").stdout.splitlines()[1:]
        names = "preshared_key", "endpoint", "allowed_ips", "handshake", "rx_bytes", "tx_bytes", "keepalive"
        rows = [line.split("\t") for line in lines]
        return {row[0]: dict(zip(names, row[1:])) for row in rows}

    def peer(self, other):
        return self.peers()[other.public_key]

    def handshake(self, other):
        """Seconds since 1970, 0 when there was none."""
        return int(self.peer(other)["handshake"])


class KernelDevice(Device):
    """The WireGuard of a machine that is plugged into the host."""

    def __init__(self, host, name, machine, number):
        super().__init__(host, name, None, number)
        self.machine, self.interface = machine, WG
        machine.plug(host)

    def log(self):
        return self.machine.console()

    def start(self):
        self.machine.shell(f"ip link add {WG} type wireguard")
        self.set_key()
        self.machine.shell(f"ip link set {WG} mtu {MTU} up")
        self.machine.route_inside((self.address, self.address6), ("10.9.0.0/24", "fd09::/64"))
        return self

    def moved(self):
        self.machine.take_address()

    def stop(self, sign=signal.SIGTERM):
        self.machine.shell(f"ip link delete {WG}")

    def wg(self, *words, check=True, input=""):
        return self.machine.shell(shlex.join(["wg", *words]), check=check, input=input)
