#!/usr/bin/python3
"""Known answers for every key that the protocol derives: writes vectors.h, which the unit tests compare with.

    generate.py           print vectors.h
    generate.py --write   write vectors.h beside this script
    generate.py --check   fail when the committed vectors.h is not what this script makes

The C code never made a number in that file. To add a derived key, write a function that returns a Table and
name it in TABLES. Labels of the protocol, all ASCII without a NUL; `|` joins bytes:

    header mask     HKDF(salt = BLAKE2s("wayleave mask v1"), ikm = listener | site secret,
                    info = "to" or "from") -> K1 | K2, 64 bytes
    masked header   AES-256_K1(header xor AES-256_K2(last 16 bytes of the datagram))
    pair keys       HKDF(salt = BLAKE2s("wayleave pair v1" | network id), ikm = X25519(a, b) | PSK (or zeros),
                    info = purpose | lower key | higher key | direction) -> 32 bytes
                    purposes: control, mask, hint, relay, api; direction: one byte, see DIRECTIONS
    pair hint       first 8 bytes of BLAKE2s(key = pair key "hint" of that direction; site secret)
    session keys    HKDF(salt = pair key "control" of that direction, ikm = X25519(ephemeral a, ephemeral b),
                    info = "wayleave session v1" | lower ephemeral | higher ephemeral | direction) -> 32 bytes
    control link    HKDF(salt = client nonce | server nonce, ikm = pair key "api" of direction 2,
                    info = "client" or "server") -> 32 bytes
                    hello and answer: BLAKE2s(key = the same; "wayleave link v1" | client nonce [| server nonce]),
                    16 bytes

HKDF is RFC 5869 over HMAC-BLAKE2s; keys are compared as byte strings; integers are little-endian.
"""

import itertools
import pathlib
import sys

sys.dont_write_bytecode = True

import primitives as p  # noqa: E402

OUTPUT = pathlib.Path(__file__).resolve().parent / "vectors.h"

PURPOSES = ("control", "mask", "hint", "relay", "api")
# Direction byte: from the lower key to the higher, from the higher to the lower, both.
DIRECTIONS = (0, 1, 2)
NETWORK_ID_SIZE = 16


class Table:
    """A C array of structs. fields: (name, type), where type is one of

    int n    uint8_t name[n]
    "bytes"  struct vector_bytes
    "u64"    uint64_t
    "text"   const char *
    """

    def __init__(self, name, comment, fields, rows):
        self.name, self.comment, self.fields, self.rows = name, comment, fields, rows

    def declaration(self, name, kind):
        if isinstance(kind, int):
            return f"uint8_t {name}[{kind}];"
        return {"bytes": "struct vector_bytes ", "u64": "uint64_t ", "text": "const char *"}[kind] + name + ";"

    def value(self, kind, value):
        if isinstance(kind, int):
            if len(value) != kind:
                raise ValueError(f"{self.name}: {len(value)} bytes in a field of {kind}")
            return "{" + octets(value) + "}"
        if kind == "bytes":
            return "{(const uint8_t[]){" + octets(value or b"\0") + "}, " + str(len(value)) + "}"
        return {"u64": lambda: f"{value}ULL", "text": lambda: f'"{value}"'}[kind]()

    def lines(self):
        yield f"/* {self.comment} */"
        yield f"struct {self.name}_vector {{"
        for name, kind in self.fields:
            yield "\t" + self.declaration(name, kind)
        yield "};"
        yield f"static const struct {self.name}_vector {self.name}_vectors[] = {{"
        for row in self.rows:
            yield "\t{"
            for (name, kind), value in zip(self.fields, row, strict=True):
                yield f"\t\t.{name} = {self.value(kind, value)},"
            yield "\t},"
        yield "};"


def octets(data):
    """Sixteen a line."""
    lines = [", ".join(f"0x{byte:02x}" for byte in data[i : i + 16]) for i in range(0, len(data), 16)]
    return ",\n\t\t\t".join(lines)


def sample(name, size=32):
    """Arbitrary bytes that anyone can make again; name says what they stand for."""
    output = b""
    while len(output) < size:
        output += p.blake2s(f"wayleave test vector: {name}".encode() + len(output).to_bytes(4, "little"))
    return output[:size]


def private(name):
    return p.clamp(sample(name + " private key"))


def ordered_pair(first, second):
    """Two private keys, the one with the lower public key first."""
    return sorted((private(first), private(second)), key=p.x25519)


def hashes():
    rows = []
    for size in (0, 1, 63, 64, 65, 116, 200):
        for key_size, out_size in ((0, 32), (1, 32), (32, 16), (16, 1), (32, 32)):
            key, data = sample("hash key", key_size), sample("hash input", size)
            rows.append((key, data, p.blake2s(data, key, out_size)))
    return Table("hash", "BLAKE2s; without a key it is the plain hash.",
                 [("key", "bytes"), ("input", "bytes"), ("output", "bytes")], rows)


def hmacs():
    rows = []
    for key_size, size in ((0, 0), (32, 0), (32, 1), (20, 64), (64, 63), (65, 64), (131, 152)):
        key, data = sample("hmac key", key_size), sample("hmac input", size)
        rows.append((key, data, p.hmac_blake2s(key, data)))
    return Table("hmac", "HMAC-BLAKE2s.", [("key", "bytes"), ("input", "bytes"), ("output", 32)], rows)


def hkdfs():
    rows = []
    for salt_size, ikm_size, info_size, size in ((13, 22, 10, 42), (80, 80, 80, 82), (0, 22, 0, 42),
                                                 (32, 64, 2, 64), (32, 32, 71, 1), (1, 1, 1, 96)):
        salt, ikm = sample("hkdf salt", salt_size), sample("hkdf input", ikm_size)
        info = sample("hkdf info", info_size)
        rows.append((salt, ikm, info, p.hkdf(salt, ikm, info, size)))
    return Table("hkdf", "HKDF over HMAC-BLAKE2s (the shapes of RFC 5869's own cases, and ours).",
                 [("salt", "bytes"), ("ikm", "bytes"), ("info", "bytes"), ("output", "bytes")], rows)


def noise_kdfs():
    rows = []
    for size in (0, 12, 32):
        chaining, data = sample("chaining key"), sample("kdf input", size)
        rows.append((chaining, data, *p.noise_kdf(chaining, data, 3)))
    return Table("noise_kdf", "The KDF of Noise and WireGuard: one, two or three outputs.",
                 [("chaining", 32), ("input", "bytes"), ("first", 32), ("second", 32), ("third", 32)], rows)


def x25519s():
    rows = []
    for number in range(4):
        ours, theirs = private(f"x25519 ours {number}"), p.x25519(private(f"x25519 theirs {number}"))
        rows.append((ours, p.x25519(ours), theirs, p.x25519(ours, theirs)))
    return Table("x25519", "X25519.",
                 [("private_key", 32), ("public_key", 32), ("peer", 32), ("shared", 32)], rows)


def aeads():
    rows = []
    for header_size, size, counter in ((0, 0, 0), (16, 0, 1), (0, 1, 2**32), (32, 15, 2**64 - 1),
                                       (5, 64, 258), (12, 257, 2**63)):
        key, header, plain = sample("aead key"), sample("aead header", header_size), sample("plain", size)
        rows.append((key, counter, header, plain, p.aead_seal(key, p.counter_nonce(counter), header, plain)))
    return Table("aead", "ChaCha20-Poly1305 under WireGuard's nonce.",
                 [("key", 32), ("counter", "u64"), ("header", "bytes"), ("plain", "bytes"),
                  ("sealed", "bytes")], rows)


def xaeads():
    rows = []
    for header_size, size in ((0, 0), (16, 0), (24, 1), (0, 64), (40, 300)):
        key, nonce = sample(f"xaead key {size}"), sample(f"xaead nonce {size}", 24)
        header, plain = sample("xaead header", header_size), sample("plain", size)
        rows.append((key, nonce, header, plain, p.xaead_seal(key, nonce, header, plain)))
    return Table("xaead", "XChaCha20-Poly1305.",
                 [("key", 32), ("nonce", 24), ("header", "bytes"), ("plain", "bytes"),
                  ("sealed", "bytes")], rows)


def blocks():
    rows = []
    for number in range(4):
        key, plain = sample(f"block key {number}"), sample(f"block {number}", 16)
        rows.append((key, plain, p.aes256_encrypt(key, plain)))
    return Table("block", "One AES-256 block.", [("key", 32), ("plain", 16), ("sealed", 16)], rows)


def mask_key(listener, site_secret, direction):
    return p.hkdf(p.blake2s(b"wayleave mask v1"), listener + site_secret, direction.encode(), 64)


def mask_keys():
    rows = []
    for name, site_secret in (("1", sample("site secret")), ("2", sample("site secret")), ("1", bytes(32))):
        listener = p.x25519(private("listener " + name))
        for direction in ("to", "from"):
            key = mask_key(listener, site_secret, direction)
            rows.append((listener, site_secret, direction, key[:32], key[32:]))
    return Table("mask_key", "Mask keys of a listener; a site secret of zeros stands for none.",
                 [("listener", 32), ("site_secret", 32), ("direction", "text"), ("header_key", 32),
                  ("tail_key", 32)], rows)


def masked():
    rows = []
    for header_class, size in ((0x10, 32), (0x10, 80), (0x11, 148), (0x12, 33), (0x13, 1200)):
        key = mask_key(p.x25519(private("listener 1")), sample("site secret"), "to")
        clear = bytes([header_class, 0, 0, 0]) + sample(f"masked datagram {size}", size - 4)
        pad = p.aes256_encrypt(key[32:], clear[-16:])
        head = p.aes256_encrypt(key[:32], bytes(a ^ b for a, b in zip(clear[:16], pad)))
        rows.append((key[:32], key[32:], clear, head))
    return Table("masked", "Datagrams and the 16 bytes that their header becomes.",
                 [("header_key", 32), ("tail_key", 32), ("clear", "bytes"), ("masked_header", 16)], rows)


def pair_key(mine, theirs, network_id, psk, purpose, direction):
    """mine: a private key, theirs: a public one."""
    lower, higher = sorted((p.x25519(mine), theirs))
    salt = p.blake2s(b"wayleave pair v1" + network_id)
    ikm = p.x25519(mine, theirs) + (psk or bytes(32))
    return p.hkdf(salt, ikm, purpose.encode() + lower + higher + bytes([direction]), 32)


def pair_keys():
    rows = []
    lower, higher = ordered_pair("pair a", "pair b")
    cases = [(lower, higher, sample("network id", NETWORK_ID_SIZE), psk)
             for psk in (bytes(32), sample("pre-shared key"))]
    lower, higher = ordered_pair("pair c", "pair d")
    cases.append((lower, higher, bytes(NETWORK_ID_SIZE), bytes(32)))
    for (lower, higher, network_id, psk), purpose, direction in itertools.product(cases, PURPOSES,
                                                                                  DIRECTIONS):
        key = pair_key(lower, p.x25519(higher), network_id, psk, purpose, direction)
        if key != pair_key(higher, p.x25519(lower), network_id, psk, purpose, direction):
            raise AssertionError("the two sides of a pair disagree")
        rows.append((lower, p.x25519(lower), higher, p.x25519(higher), network_id, psk, purpose,
                     PURPOSES.index(purpose), direction, key))
    return Table("pair_key",
                 "Pair keys; lower and higher by public key; no PSK is one of zeros. purpose_number counts\n"
                 " * control, mask, hint, relay, api from 0; direction: 0 from lower to higher, 1 back, 2 both.",
                 [("lower_private", 32), ("lower_public", 32), ("higher_private", 32), ("higher_public", 32),
                  ("network_id", NETWORK_ID_SIZE), ("psk", 32), ("purpose", "text"),
                  ("purpose_number", "u64"), ("direction", "u64"), ("key", 32)], rows)


def pair_hints():
    rows = []
    lower, higher = ordered_pair("pair a", "pair b")
    network_id = sample("network id", NETWORK_ID_SIZE)
    for site_secret, direction in itertools.product((sample("site secret"), bytes(32)), (0, 1)):
        key = pair_key(lower, p.x25519(higher), network_id, None, "hint", direction)
        hint = int.from_bytes(p.blake2s(site_secret, key, 8), "little")
        rows.append((lower, p.x25519(higher), network_id, site_secret, direction, key, hint))
    return Table("pair_hint", "Hints of first contact.",
                 [("lower_private", 32), ("higher_public", 32), ("network_id", NETWORK_ID_SIZE),
                  ("site_secret", 32), ("direction", "u64"), ("hint_key", 32), ("hint", "u64")], rows)


def sessions():
    rows = []
    lower, higher = ordered_pair("pair a", "pair b")
    network_id = sample("network id", NETWORK_ID_SIZE)
    # The lower static key may have the higher ephemeral key: both orders.
    ephemerals = ordered_pair("ephemeral a", "ephemeral b")
    for (mine, theirs), direction in itertools.product((ephemerals, ephemerals[::-1]), (0, 1)):
        control = pair_key(lower, p.x25519(higher), network_id, None, "control", direction)
        public = sorted((p.x25519(mine), p.x25519(theirs)))
        info = b"wayleave session v1" + public[0] + public[1] + bytes([direction])
        key = p.hkdf(control, p.x25519(mine, p.x25519(theirs)), info, 32)
        rows.append((lower, higher, network_id, mine, p.x25519(mine), theirs, p.x25519(theirs), direction,
                     control, key))
    return Table("session",
                 "Session keys of a pair. ephemeral_lower_side belongs to the node with the lower static key;\n"
                 " * direction as for pair keys.",
                 [("lower_private", 32), ("higher_private", 32), ("network_id", NETWORK_ID_SIZE),
                  ("ephemeral_lower_side", 32), ("ephemeral_lower_side_public", 32),
                  ("ephemeral_higher_side", 32), ("ephemeral_higher_side_public", 32), ("direction", "u64"),
                  ("control_key", 32), ("key", 32)], rows)


def links():
    lower, higher = ordered_pair("pair a", "pair b")
    api = pair_key(lower, p.x25519(higher), sample("network id", NETWORK_ID_SIZE), None, "api", 2)
    rows = []
    for number in range(2):
        client, server = sample(f"client nonce {number}"), sample(f"server nonce {number}")
        label = b"wayleave link v1"
        rows.append((api, client, server,
                     p.blake2s(label + client, api, 16), p.blake2s(label + client + server, api, 16),
                     p.hkdf(client + server, api, b"client", 32), p.hkdf(client + server, api, b"server", 32)))
    return Table("link", "Control link: proofs of hello and answer, keys of the two directions.",
                 [("api_key", 32), ("client_nonce", 32), ("server_nonce", 32), ("hello_mac", 16),
                  ("answer_mac", 16), ("client_key", 32), ("server_key", 32)], rows)


def enrolments():
    """Noise_IK_25519_ChaChaPoly_BLAKE2s, step by step as the Noise specification writes it."""
    hub, node, first, second = (private(name) for name in ("hub", "node", "enrol e 1", "enrol e 2"))
    network_id, token, token_id = sample("network id", NETWORK_ID_SIZE), sample("token", 16), sample("token id", 8)
    name = b"Noise_IK_25519_ChaChaPoly_BLAKE2s"
    state = {"h": p.blake2s(name), "ck": p.blake2s(name)}

    def mix_hash(data):
        state["h"] = p.blake2s(state["h"] + data)

    def mix_key(shared):
        state["ck"], state["k"] = p.noise_kdf(state["ck"], shared, 2)

    def seal(plain):
        sealed = p.aead_seal(state["k"], bytes(12), state["h"], plain)
        mix_hash(sealed)
        return sealed

    mix_hash(b"wayleave enrol v1" + network_id)
    mix_hash(p.x25519(hub))
    mix_hash(p.x25519(first))
    mix_key(p.x25519(first, p.x25519(hub)))
    static = seal(p.x25519(node))
    mix_key(p.x25519(node, p.x25519(hub)))
    verifier = p.blake2s(token)
    proof = p.blake2s(b"wayleave token v1" + state["h"], verifier)
    plain = (bytes([1]) + token_id + proof + bytes([5]) + b"alpha").ljust(352, b"\0")
    payload = seal(plain)
    mix_hash(p.x25519(second))
    mix_key(p.x25519(second, p.x25519(first)))
    mix_key(p.x25519(second, p.x25519(node)))
    answer_plain = bytes([1, 3]).ljust(352, b"\0")
    answer = seal(answer_plain)
    mac1_key = p.blake2s(b"wayleave enrol mac1" + p.x25519(hub))
    mac1 = p.blake2s(static + payload, mac1_key, 16)
    cookie_key = p.blake2s(b"wayleave enrol cookie" + p.x25519(hub))
    mac2 = p.blake2s(static + payload, verifier[:16], 16)
    return Table("enrolment",
                 "Enrolment: message 1 (e, static, payload) and message 2 (e, answer) for fixed ephemeral keys;\n"
                 " * mac1 is over static || payload, to have something; mac2 too, and its cookie is half the verifier.",
                 [("hub_private", 32), ("node_private", 32), ("ephemeral_node", 32), ("ephemeral_hub", 32),
                  ("network_id", NETWORK_ID_SIZE), ("token", 16), ("token_id", 8), ("verifier", 32), ("proof", 32),
                  ("static_sealed", "bytes"), ("payload_sealed", "bytes"), ("answer_sealed", "bytes"),
                  ("mac1", 16), ("cookie_key", 32), ("mac2", 16)],
                 [(hub, node, first, second, network_id, token, token_id, verifier, proof, static, payload,
                   answer, mac1, cookie_key, mac2)])


TABLES = (hashes, hmacs, hkdfs, noise_kdfs, x25519s, aeads, xaeads, blocks, mask_keys, masked, pair_keys,
          pair_hints, sessions, links, enrolments)

HEAD = """/* Known answers, made by tests/vectors/generate.py (plain Python, shares nothing with src/): never
 * edit them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* clang-format off */

struct vector_bytes {
	const uint8_t *data;
	size_t size;
};
"""


def generate():
    p.check()
    return HEAD + "".join("\n" + "\n".join(table().lines()) + "\n" for table in TABLES)


def main(arguments):
    text = generate()
    if arguments == ["--write"]:
        OUTPUT.write_text(text, encoding="ascii")
    elif arguments == ["--check"]:
        if not OUTPUT.exists() or OUTPUT.read_text(encoding="ascii") != text:
            sys.exit("tests/vectors/vectors.h is not what generate.py makes; run generate.py --write")
    elif not arguments:
        sys.stdout.write(text)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
