#!/usr/bin/python3
"""Known answers for WireGuard's handshake, cookies and data: writes wireguard.h, which proto/noise's tests compare with.

    wireguard.py           print wireguard.h
    wireguard.py --write   write wireguard.h beside this script
    wireguard.py --check   fail when the committed wireguard.h is not what this script makes

Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s written from section 5.4 of the WireGuard paper, with the paper's names, in
plain Python; the C code never made a number in it. Constants that anyone can compare are checked before anything
is generated.
"""

import sys

sys.dont_write_bytecode = True

import pathlib  # noqa: E402

import primitives as p  # noqa: E402
from generate import Table, private, sample  # noqa: E402

OUTPUT = pathlib.Path(__file__).resolve().parent / "wireguard.h"

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
# As WireGuard's implementations carry them precomputed.
FIRST_CHAINING = bytes.fromhex("60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36")
FIRST_HASH = bytes.fromhex("2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3")


class Run:
    """Either side's symmetric state: C, H and the last temporary key."""

    def __init__(self, responder_public):
        self.chaining = p.blake2s(CONSTRUCTION)
        self.hash = p.blake2s(self.chaining + IDENTIFIER)
        if (self.chaining, self.hash) != (FIRST_CHAINING, FIRST_HASH):
            raise AssertionError("not WireGuard's construction")
        self.mix_hash(responder_public)

    def mix_hash(self, data):
        self.hash = p.blake2s(self.hash + data)

    def ephemeral(self, public):
        self.mix_hash(public)
        (self.chaining,) = p.noise_kdf(self.chaining, public, 1)

    def shared(self, private_key, public):
        self.chaining, self.key = p.noise_kdf(self.chaining, p.x25519(private_key, public), 2)

    def preshared(self, psk):
        self.chaining, temporary, self.key = p.noise_kdf(self.chaining, psk, 3)
        self.mix_hash(temporary)

    def seal(self, plain):
        sealed = p.aead_seal(self.key, p.counter_nonce(0), self.hash, plain)
        self.mix_hash(sealed)
        return sealed


def little(value, size=4):
    return value.to_bytes(size, "little")


def with_macs(message, receiver_public, cookie=None):
    message += p.blake2s(message, p.blake2s(b"mac1----" + receiver_public), 16)
    return message + (p.blake2s(message, cookie, 16) if cookie else bytes(16))


def data_message(key, receiver, counter, packet):
    padded = packet.ljust((len(packet) + 15) // 16 * 16, b"\0")
    return (little(4) + little(receiver) + little(counter, 8) +
            p.aead_seal(key, p.counter_nonce(counter), b"", padded))


def second_name(public):
    """The same point to X25519, which ignores bit 255."""
    return public[:31] + bytes([public[31] | 0x80])


def handshake(initiator, responder, ephemerals, psk, stamp, indices, names=(bytes, bytes)):
    """Both messages without macs, and the keys T_i->r, T_i<-r. names: how each ephemeral key is written."""
    run = Run(p.x25519(responder))
    first, second = ephemerals
    first_public, second_public = names[0](p.x25519(first)), names[1](p.x25519(second))
    run.ephemeral(first_public)
    run.shared(first, p.x25519(responder))
    static = run.seal(p.x25519(initiator))
    run.shared(initiator, p.x25519(responder))
    initiation = little(1) + little(indices[0]) + first_public + static + run.seal(stamp)
    run.ephemeral(second_public)
    run.shared(second, p.x25519(first))
    run.shared(second, p.x25519(initiator))
    run.preshared(psk)
    response = little(2) + little(indices[1]) + little(indices[0]) + second_public + run.seal(b"")
    return initiation, response, p.noise_kdf(run.chaining, b"", 2)


def case(number):
    """Initiator, responder, their ephemeral keys, PSK, stamp and indices of a run."""
    initiator, responder, *ephemerals = (private(f"wireguard {name} {number}") for name in
                                         ("initiator", "responder", "e i", "e r"))
    psk = sample("wireguard psk") if number else bytes(32)
    stamp = (2**62 + 10 + 1700000000 + number).to_bytes(8, "big") + (500 * number).to_bytes(4, "big")
    return initiator, responder, ephemerals, psk, stamp, (0x01020304 + number, 0xfffefdfc - number)


def handshakes():
    rows = []
    for number in range(2):
        initiator, responder, ephemerals, psk, stamp, indices = case(number)
        initiation, response, (forth, back) = handshake(initiator, responder, ephemerals, psk, stamp, indices)
        packet = sample("wireguard packet", 21 + 11 * number)
        rows.append((initiator, p.x25519(initiator), responder, p.x25519(responder), *ephemerals, psk, stamp,
                     *indices, with_macs(initiation, p.x25519(responder)),
                     with_macs(response, p.x25519(initiator)), forth, back, packet,
                     data_message(forth, indices[1], 0, packet),
                     data_message(back, indices[0], 2**32 + 7, packet)))
    return Table("wireguard",
                 "A whole run: both messages with mac1 and no cookie, the keys of both directions, and one packet\n"
                 " * each way: number 0 from the initiator, number 2^32 + 7 from the responder.",
                 [("initiator_private", 32), ("initiator_public", 32), ("responder_private", 32),
                  ("responder_public", 32), ("initiator_ephemeral", 32), ("responder_ephemeral", 32),
                  ("psk", 32), ("stamp", 12), ("initiator_index", "u64"), ("responder_index", "u64"),
                  ("initiation", 148), ("response", 92), ("forth", 32), ("back", 32), ("packet", "bytes"),
                  ("data_forth", "bytes"), ("data_back", "bytes")], rows)


def second_names():
    initiation, _, _ = handshake(*case(0), names=(second_name, bytes))
    _, response, _ = handshake(*case(0), names=(bytes, second_name))
    initiator, responder = (p.x25519(key) for key in case(0)[:2])
    return Table("second_name", "Messages of run 0 whose ephemeral key has bit 255 set: to be refused.",
                 [("initiation", 148), ("response", 92)],
                 [(with_macs(initiation, responder), with_macs(response, initiator))])


def cookies():
    initiation = handshakes().rows[0][10]
    responder_public = handshakes().rows[0][3]
    rows = []
    for number in range(2):
        cookie, nonce = sample(f"wireguard cookie {number}", 16), sample(f"wireguard nonce {number}", 24)
        sealed = p.xaead_seal(p.blake2s(b"cookie--" + responder_public), nonce, initiation[116:132], cookie)
        reply = little(3) + initiation[4:8] + nonce + sealed
        rows.append((responder_public, initiation, cookie, reply,
                     with_macs(initiation[:116], responder_public, cookie)))
    return Table("cookie", "A cookie reply to an initiation, and the same initiation with the cookie's mac2.",
                 [("responder_public", 32), ("initiation", 148), ("cookie", 16), ("reply", 64),
                  ("signed_initiation", 148)], rows)


def render():
    parts = ["/* Known answers, made by tests/vectors/wireguard.py (plain Python, shares nothing with src/): never\n"
             " * edit them. */",
             "#pragma once\n\n#include \"vectors.h\"\n\n/* clang-format off */\n"]
    for table in (handshakes(), second_names(), cookies()):
        parts += table.lines()
        parts.append("")
    return "\n".join(parts)


def main(arguments):
    if arguments not in ([], ["--write"], ["--check"]):
        sys.exit(__doc__)
    p.check()
    text = render()
    if arguments == ["--write"]:
        OUTPUT.write_text(text)
    elif arguments == ["--check"]:
        if OUTPUT.read_text() != text:
            sys.exit("wireguard.h is out of date: run wireguard.py --write")
    else:
        print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
