"""How sessions with other WireGuards begin under load and follow one another.

    a (198.51.100.1) --- core --- b (198.51.100.2)      c (198.51.100.3) floods, or is a third device
"""

import hashlib
import random
import select
import socket
import time

import pytest
from device import KernelDevice, impatient, wayleave, wireguard_go, wireguard_go_of_backports
from flood import Flood
from harness import Capture, Kind, Pinger, bulk, first_reply, wait_for
from machine import WG

PATIENCE = 10
BURST = 900  # messages; wayleave is under load from 512 a second on, the kernel from 512 in its queue on
COOKIE_SECONDS = 25  # a cookie is used for the next try only, after 5 s, and the flood may delay that one
REKEYS = 4
BULK_BYTES = 4 << 20
BULK_SECONDS = 60
REKEY_SECONDS = 150  # the real interval is 120 s
MAC2 = slice(132, 148)

pytestmark = pytest.mark.needs("wg")

OTHERS = [
    pytest.param(KernelDevice, id="kernel"),
    pytest.param(wireguard_go, id="wireguard-go", marks=pytest.mark.needs("wireguard-go")),
    pytest.param(wireguard_go_of_backports, id="backports-wireguard-go"),
]


def handshakes(capture):
    return [packet for packet in capture.packets() if packet.kind not in (Kind.DATA, Kind.OTHER)]


def kinds_of(packets):
    return [packet.kind for packet in packets]


def missing(pinger):
    """Sequence numbers without an answer, below the last that had one."""
    seen = {sequence for _, sequence in pinger.replies()}
    return sorted(set(range(1, max(seen))) - seen)


@pytest.mark.parametrize("other", OTHERS)
def test_sessions_of_a_second_lose_nothing(pair, started, other):
    a, b = started(pair, (impatient, other))
    a.connect(b)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    with Capture(a.host.namespace, "eth0") as capture, Pinger(a.host, b.address) as pinger:
        wait_for(
            lambda: kinds_of(handshakes(capture)).count(Kind.RESPONSE) >= REKEYS,
            PATIENCE + 2 * REKEYS,
            "sessions to follow one another",
        )
        pinger.more(10, PATIENCE)
        assert not missing(pinger)


@pytest.mark.parametrize("other", OTHERS)
def test_sessions_of_2000_messages_carry_bulk(pair, started, other):
    a, b = started(pair, (impatient, other))
    a.connect(b)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    with Capture(a.host.namespace, "eth0") as capture:
        bulk(a.host, b.host, b.address, BULK_BYTES, BULK_SECONDS)
        bulk(b.host, a.host, a.address6, BULK_BYTES, BULK_SECONDS)
        assert kinds_of(handshakes(capture)).count(Kind.RESPONSE) >= 1


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours-is-flooded", "kernel-is-flooded"])
def test_a_flooded_side_asks_for_a_cookie_and_lets_in_who_has_it(net, pair, started, is_ours):
    a, b = started(pair, (KernelDevice, wayleave) if is_ours else (wayleave, KernelDevice))
    c = net.public("c", "198.51.100.3")
    with Capture(a.host.namespace, "eth0") as capture, Flood(c, b, BURST):
        with Capture(c.namespace, "eth0") as at_flood:
            wait_for(lambda: Kind.COOKIE in kinds_of(at_flood.packets()), PATIENCE, "cookies for the flood")
        a.connect(b)
        assert first_reply(a.host, b.address, COOKIE_SECONDS) is not None
        seen = handshakes(capture)
    kinds = kinds_of(seen)
    assert kinds[:2] == [Kind.INITIATION, Kind.COOKIE], kinds
    answered = seen[kinds.index(Kind.RESPONSE) - 1]
    assert answered.kind == Kind.INITIATION and any(answered.payload[MAC2]), "it came in without its cookie"
    assert not any(seen[0].payload[MAC2])


def test_the_kernels_own_tcp_arrives_whole_both_ways(pair, started):
    a, b = started(pair, (wayleave, KernelDevice))
    own = "10.9.0.99"
    a.connect(b)
    a.wg("set", a.interface, "peer", b.public_key, "allowed-ips", f"{b.address}/32,{own}/32")
    b.machine.shell(f"ip address add {own}/32 dev {WG}; rm -f /tmp/*")
    assert first_reply(a.host, own, PATIENCE) is not None
    data = random.Random(1).randbytes(BULK_BYTES)
    # The data go there and come back from its file.
    b.machine.shell("nc -l -p 7000 </dev/null >/tmp/data 2>/dev/null && touch /tmp/whole &")
    with connected(a.host, own, 7000) as out:
        out.sendall(data)
    wait_for(lambda: b.machine.shell("test -e /tmp/whole", check=False).returncode == 0, BULK_SECONDS, "the data")
    assert b.machine.shell("sha256sum /tmp/data").stdout.split()[0] == hashlib.sha256(data).hexdigest()
    b.machine.shell("nc -l -p 7001 </tmp/data >/dev/null 2>&1 &")
    with connected(a.host, own, 7001) as back:
        assert received(back, len(data)) == data


def connected(host, address, port):
    """A TCP socket, as soon as somebody listens there."""

    def attempt():
        stream = host.namespace.socket(kind=socket.SOCK_STREAM)
        stream.settimeout(BULK_SECONDS)
        try:
            stream.connect((address, port))
        except ConnectionRefusedError:
            stream.close()
            return None
        return stream

    return wait_for(attempt, PATIENCE, "somebody to listen")


def received(stream, size):
    data, end = b"", time.monotonic() + BULK_SECONDS
    while len(data) < size and select.select([stream], [], [], max(0, end - time.monotonic()))[0]:
        part = stream.recv(1 << 20)
        if not part:
            break
        data += part
    return data


@pytest.mark.slow
@pytest.mark.seconds(REKEY_SECONDS + 150)
def test_the_rekey_after_120_seconds_loses_nothing_in_either_role(net, pair, started):
    c = net.public("c", "198.51.100.3")
    a, b, c_device = started((*pair, c), (wayleave, KernelDevice, wayleave))
    a.connect(b)
    b.connect(c_device)
    assert first_reply(a.host, b.address, PATIENCE) is not None
    assert first_reply(b.host, c_device.address, PATIENCE) is not None
    first = a.handshake(b), b.handshake(c_device)
    with Pinger(a.host, b.address) as ours, Pinger(b.host, c_device.address) as kernels:
        for device, other, before in (a, b, first[0]), (b, c_device, first[1]):
            wait_for(lambda: device.handshake(other) > before, REKEY_SECONDS, "the next session")
            assert 119 <= device.handshake(other) - before <= 130
        for pinger in ours, kernels:
            pinger.more(40, PATIENCE)
            assert not missing(pinger)
