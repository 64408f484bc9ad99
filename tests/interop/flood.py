"""Handshake initiations that anybody can make who knows a public key: their mac1 is right, and nothing else."""

import base64
import hashlib
import os
import struct
import threading

DISTINCT = 64
PAUSE_SECONDS = 0.3


class Flood:
    """From a host to a device, in bursts, until the block ends."""

    def __init__(self, host, device, burst):
        key = hashlib.blake2s(b"mac1----" + base64.b64decode(device.public_key)).digest()
        self._to = device.host.address, device.port
        self._messages = [_initiation(key) for _ in range(DISTINCT)]
        self._burst = burst
        self._socket = host.namespace.socket()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self._socket.close()

    def _run(self):
        while not self._end.wait(PAUSE_SECONDS):
            for number in range(self._burst):
                self._socket.sendto(self._messages[number % DISTINCT], self._to)


def _initiation(mac1_key):
    """What is under the seals is noise."""
    body = struct.pack("<I", 1) + os.urandom(112)
    return body + hashlib.blake2s(body, key=mac1_key, digest_size=16).digest() + bytes(16)
