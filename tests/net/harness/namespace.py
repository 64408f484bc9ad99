"""A network namespace: commands, sockets, addresses and rules inside it."""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess

CLONE_NEWNET = 0x40000000
COMMAND_SECONDS = 20

NETLINK_NETFILTER = 12
NLM_F_REQUEST_ACK = 5
CTNETLINK_DELETE = (1 << 8) | 2

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """Created at once; removed by its run (run.remove_namespaces)."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        # Addresses are usable at once, and nothing configures itself behind the test's back.
        for group in "all", "default":
            self.sysctl(f"net/ipv6/conf/{group}/accept_dad", 0)
            self.sysctl(f"net/ipv6/conf/{group}/accept_ra", 0)
        self.ip("link set lo up")

    def argv(self, *argv):
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, *argv, check=True, **options):
        """Runs to its end; the output is text, stderr included in the error when it fails."""
        done = subprocess.run(
            self.argv(*argv), text=True, capture_output=True, timeout=COMMAND_SECONDS, **options
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def spawn(self, *argv, **options):
        """The process itself (ip-netns replaces itself by it), so its pid can be killed."""
        return subprocess.Popen(self.argv(*argv), **options)

    def ip(self, *lines):
        """Lines as after the word `ip`, in one batch."""
        _feed(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines))

    def nft(self, rules):
        _feed(self.argv("nft", "-f", "-"), rules)

    def sysctl(self, path, value):
        with self.entered(), open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
            file.write(str(value))

    def flush_conntrack(self):
        """Forgets every connection, as a router that reboots."""
        request = struct.pack("=IHHIIBBH", 20, CTNETLINK_DELETE, NLM_F_REQUEST_ACK, 1, 0, 0, 0, 0)
        with self.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            netlink.send(request)
            answer = netlink.recv(4096)
        error = struct.unpack_from("=i", answer, 16)[0]
        assert error == 0, f"flush of conntrack: {os.strerror(-error)}"

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM, protocol=0):
        """A socket stays in the namespace in which it was made."""
        with self.entered():
            return socket.socket(family, kind, protocol)

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace until the block ends."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with open(f"/run/netns/{self.name}", "rb") as there:
                _set_namespace(there.fileno())
            yield
        finally:
            _set_namespace(home)
            os.close(home)


def _set_namespace(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _feed(argv, text):
    done = subprocess.run(
        argv, input=text, text=True, capture_output=True, timeout=COMMAND_SECONDS, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stderr}\n{text}")
