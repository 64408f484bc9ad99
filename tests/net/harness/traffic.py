"""Traffic between hosts: single pings, a ping that goes on, and bulk."""

import hashlib
import os
import random
import re
import select
import socket
import struct
import subprocess
import time

from .wait import wait_for

PING_INTERVAL = 0.02  # seconds
BULK_SECONDS = 15
ECHO_REQUEST, ECHO_REQUEST6 = 8, 128
ECHO_REPLY, ECHO_REPLY6 = 0, 129
SO_BINDTODEVICE = socket.SO_BINDTODEVICE


def ping(host, address, count=1, size=56, interval=PING_INTERVAL, wait_seconds=2):
    """How many of the echo requests were answered. size: bytes of ICMP payload. ping(8) waits for the last
    answer no longer than twice the longest so far: see echoes()."""
    done = host.run(
        *("ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-s", str(size)),
        *("-W", str(wait_seconds), address),
        check=False,
    )
    received = re.search(r"(\d+) received", done.stdout)
    return int(received.group(1)) if received else 0


def first_reply(host, address, seconds):
    """Asks every 20 ms, also while there is no route yet. Returns how long the first answer took to come,
    counted from the call, or None when none came in time."""
    is_ipv6 = ":" in address
    family, protocol = (socket.AF_INET6, 58) if is_ipv6 else (socket.AF_INET, 1)
    echo_kind, reply_kind = (ECHO_REQUEST6, ECHO_REPLY6) if is_ipv6 else (ECHO_REQUEST, ECHO_REPLY)
    identifier = os.getpid() & 0xFFFF
    start = time.monotonic()
    with host.namespace.socket(family, socket.SOCK_RAW, protocol) as icmp:
        icmp.setblocking(False)
        for sequence in range(int(seconds / PING_INTERVAL)):
            try:
                icmp.sendto(_echo(echo_kind, identifier, sequence), (address, 0))
            except OSError:
                pass  # no interface or no route yet
            until = start + (sequence + 1) * PING_INTERVAL
            if _has_reply(icmp, is_ipv6, reply_kind, identifier, address, until):
                return time.monotonic() - start
    return None


def echoes(host, address, count, size, seconds):
    """How many of so many echo requests over IPv4, sent at once, were answered within the time; returns as
    soon as all were. size: bytes of ICMP payload."""
    identifier = random.getrandbits(16)
    answered = set()
    end = time.monotonic() + seconds
    with host.namespace.socket(socket.AF_INET, socket.SOCK_RAW, 1) as icmp:
        for sequence in range(count):
            icmp.sendto(_echo(ECHO_REQUEST, identifier, sequence, bytes(size)), (address, 0))
        while len(answered) < count and (left := end - time.monotonic()) > 0:
            if not select.select([icmp], [], [], left)[0]:
                break
            data = icmp.recv(65536)
            kind, _, _, its_identifier, sequence = struct.unpack_from("!BBHHH", data, (data[0] & 15) * 4)
            if (kind, its_identifier) == (ECHO_REPLY, identifier):
                answered.add(sequence)
    return len(answered)


def _echo(kind, identifier, sequence, payload=b""):
    """The payload is zeros, which are nothing to the checksum."""
    message = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence & 0xFFFF)
    total = sum(struct.unpack("!4H", message))
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return message[:2] + struct.pack("!H", checksum) + message[4:] + payload


def _has_reply(icmp, is_ipv6, reply_kind, identifier, address, until):
    while (left := until - time.monotonic()) > 0:
        if not select.select([icmp], [], [], left)[0]:
            continue
        data, source = icmp.recvfrom(2048)
        message = data if is_ipv6 else data[(data[0] & 15) * 4 :]
        kind, _, _, its_identifier = struct.unpack_from("!BBHH", message)
        if (kind, its_identifier, source[0]) == (reply_kind, identifier, address):
            return True
    return False


class Pinger:
    """A ping in the background. replies() grows for as long as the answers come."""

    def __init__(self, host, address, interval=0.05, size=56):
        self._path = os.path.join(host.network.folder, f"ping-{host.name}-{address}-{time.monotonic_ns()}")
        self._output = open(self._path, "w", encoding="ascii")
        self._process = host.spawn(
            *("ping", "-n", "-O", "-D", "-i", str(interval), "-s", str(size), address),
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._output.close()

    def replies(self):
        """(time, sequence number) of each answer so far."""
        with open(self._path, encoding="ascii") as file:
            lines = re.findall(r"^\[([\d.]+)\] \d+ bytes from .*icmp_seq=(\d+)", file.read(), re.M)
        return [(float(when), int(sequence)) for when, sequence in lines]

    def more(self, count, seconds):
        """Waits for that many further answers; returns the longest time between two answers, seconds,
        counted from the last one before the call."""
        before = len(self.replies())
        wait_for(lambda: len(self.replies()) >= before + count, seconds, f"{count} more pings")
        times = [when for when, _ in self.replies()[max(before - 1, 0) :]]
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)


def bulk(sender, receiver, address, size, seconds=BULK_SECONDS):
    """A TCP transfer of so many bytes to the receiver's address, which arrive as they were sent; returns
    seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = random.Random(size).randbytes(size)
    start = time.monotonic()
    with receiver.namespace.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((address, 0))
        listener.listen(1)
        with sender.namespace.socket(family, socket.SOCK_STREAM) as out:
            out.settimeout(seconds)
            out.connect((address, listener.getsockname()[1]))
            incoming, _ = listener.accept()
            with incoming:
                received = _pour(out, incoming, data, seconds)
    assert received == hashlib.sha256(data).digest(), f"{size} bytes arrived, not as they were sent"
    return time.monotonic() - start


def _pour(out, incoming, data, seconds):
    """Returns the SHA-256 of what came in."""
    end = time.monotonic() + seconds
    out.setblocking(False)
    incoming.setblocking(False)
    view, digest = memoryview(data), hashlib.sha256()
    sent = received = 0
    while received < len(data):
        left = end - time.monotonic()
        assert left > 0, f"bulk transfer: {received} of {len(data)} bytes in {seconds} s"
        readable, writable, _ = select.select([incoming], [out] if sent < len(data) else [], [], left)
        if writable:
            sent += out.send(view[sent : sent + 65536])
        if readable:
            part = incoming.recv(1 << 20)
            assert part, f"bulk transfer: ended after {received} of {len(data)} bytes"
            digest.update(part)
            received += len(part)
    return digest.digest()
