"""What passed an interface: every packet from the moment a Capture is made, none lost unnoticed.

The kernel keeps the packets until they are asked for, so there is no thread and nothing to wait for."""

import enum
import ipaddress
import socket
import struct
from dataclasses import dataclass

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
BUFFER_BYTES = 128 << 20
HEADERS_BYTES = 192  # of each packet; more is not looked at. A whole handshake message

UDP, TCP, ICMP = 17, 6, 1


class Kind(enum.Enum):
    """What a UDP payload looks like: WireGuard's shapes (type, three zero bytes, exact length)."""

    INITIATION = 1
    RESPONSE = 2
    COOKIE = 3
    DATA = 4
    OTHER = 0


@dataclass(frozen=True)
class Packet:
    time: float
    is_outgoing: bool
    protocol: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    size: int  # bytes of the UDP payload; of the IP payload when it is not UDP
    kind: Kind
    ttl: int
    payload: bytes  # its beginning

    def is_between(self, address, other):
        return {self.source, self.destination} == {address, other}


class Capture:
    """Of one interface. Packets keep their size on the wire (links have no super-packets)."""

    def __init__(self, namespace, interface):
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setblocking(False)
        self._seen = []
        self._dropped = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def packets(self):
        """All so far. Fails when the kernel had to drop one: a proof with holes is none."""
        while True:
            try:
                data, ancillary, flags, address = self._socket.recvmsg(HEADERS_BYTES, 256, socket.MSG_TRUNC)
            except BlockingIOError:
                break
            packet = _parse(data, _time_of(ancillary), address[2] == PACKET_OUTGOING)
            if packet:
                self._seen.append(packet)
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._dropped += struct.unpack("II", statistics)[1]
        assert self._dropped == 0, f"the capture lost {self._dropped} packets"
        return self._seen

    def bytes(self):
        return sum(packet.size for packet in self.packets())

    def flows(self):
        """Bytes for each (source, destination) pair of addresses."""
        sums = {}
        for packet in self.packets():
            pair = packet.source, packet.destination
            sums[pair] = sums.get(pair, 0) + packet.size
        return sums


def _time_of(ancillary):
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return seconds + nanoseconds / 1e9
    return 0.0


def _parse(data, time, is_outgoing):
    """None for what is not IP (ARP)."""
    if data[0] >> 4 == 4 and len(data) >= 20:
        header, protocol, ttl = (data[0] & 15) * 4, data[9], data[8]
        size = struct.unpack_from("!H", data, 2)[0] - header
        source, destination = data[12:16], data[16:20]
    elif data[0] >> 4 == 6 and len(data) >= 40:
        header, protocol, ttl = 40, data[6], data[7]
        size = struct.unpack_from("!H", data, 4)[0]
        source, destination = data[8:24], data[24:40]
    else:
        return None
    ports, kind, payload = (0, 0), Kind.OTHER, data[header:]
    if protocol in (UDP, TCP):
        ports = struct.unpack_from("!HH", data, header)
    if protocol == UDP:
        size -= 8
        payload = data[header + 8 :]
        kind = kind_of(payload, size)
    return Packet(
        time,
        is_outgoing,
        protocol,
        str(ipaddress.ip_address(source)),
        ports[0],
        str(ipaddress.ip_address(destination)),
        ports[1],
        size,
        kind,
        ttl,
        payload,
    )


def kind_of(payload, size):
    exact = {1: 148, 2: 92, 3: 64}
    if len(payload) < 4 or payload[1:4] != b"\0\0\0":
        return Kind.OTHER
    if exact.get(payload[0]) == size or (payload[0] == 4 and size >= 32):
        return Kind(payload[0])
    return Kind.OTHER
