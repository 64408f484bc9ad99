"""The configuration protocol that wg(8) speaks with userspace devices, byte by byte: requests, answers, states."""

import base64
import re
import socket

PATIENCE = 20  # seconds for a whole conversation
# What differs between two devices that were told the same.
MOVING = "last_handshake_time_sec", "last_handshake_time_nsec", "tx_bytes", "rx_bytes"
ERRNO = re.compile(rb"errno=(-?\d+)\n\n")


def hexadecimal(key):
    """wg(8)'s base64 as UAPI writes it."""
    return base64.b64decode(key).hex()


def connected(path):
    uapi = socket.socket(socket.AF_UNIX)
    uapi.settimeout(PATIENCE)
    uapi.connect(path)
    return uapi


def until_end(uapi):
    """All that comes until the other side closes."""
    answer = b""
    try:
        while part := uapi.recv(1 << 16):
            answer += part
    except ConnectionResetError:
        pass  # closed with bytes of ours unread
    return answer


def one_answer(uapi):
    """Up to the end of the next answer, or of the connection."""
    answer = b""
    while not ERRNO.search(answer):
        part = uapi.recv(1 << 16)
        if not part:
            break
        answer += part
    return answer


def talk(path, request):
    """All answers to these bytes, after which we write no more."""
    with connected(path) as uapi:
        try:
            uapi.sendall(request)
            uapi.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused in the middle of it
        return until_end(uapi)


def errors(answer):
    """The errno of each answer."""
    return [int(number) for number in ERRNO.findall(answer)]


def set_request(*lines):
    return "".join(line + "\n" for line in ("set=1", *lines, "")).encode()


def state(path):
    """What get=1 answers, without what moves: lines of the device, and of each peer sorted by key."""
    lines = talk(path, b"get=1\n\n").decode().splitlines()
    assert lines[-2:] == ["errno=0", ""], lines[-2:]
    blocks = [[]]
    for line in lines[:-2]:
        if line.split("=")[0] in MOVING:
            continue
        if line.startswith("public_key="):
            blocks.append([])
        blocks[-1].append(line)
    for block in blocks[1:]:  # prefixes have no order
        first = next((i for i, line in enumerate(block) if line.startswith("allowed_ip=")), len(block))
        block[first:] = sorted(block[first:])
    return blocks[0], sorted(blocks[1:])
