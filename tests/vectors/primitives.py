"""The cryptography of the protocol a second time, in plain Python and the standard library only.

Slow, not constant-time and only for test vectors: it shares no code with src/crypto, so that agreement of the
two means something. check() compares each primitive with published vectors before anything is generated.
"""

import hashlib
import hmac

P25519 = 2**255 - 19
P1305 = 2**130 - 5


def blake2s(data, key=b"", size=32):
    """RFC 7693."""
    return hashlib.blake2s(data, digest_size=size, key=key).digest()


def hmac_blake2s(key, data):
    """RFC 2104 over unkeyed BLAKE2s."""
    return hmac.new(key, data, hashlib.blake2s).digest()


def hkdf(salt, ikm, info, size, digest=hashlib.blake2s):
    """RFC 5869; the protocol uses it over HMAC-BLAKE2s, check() over HMAC-SHA-256."""
    prk = hmac.new(salt or bytes(32), ikm, digest).digest()
    output, block, number = b"", b"", 1
    while len(output) < size:
        block = hmac.new(prk, block + info + bytes([number]), digest).digest()
        output += block
        number += 1
    return output[:size]


def noise_kdf(chaining, data, count):
    """Noise, revision 34, section 4.3: HKDF without info, in outputs of 32 bytes."""
    output = hkdf(chaining, data, b"", 32 * count)
    return [output[i : i + 32] for i in range(0, len(output), 32)]


def clamp(private):
    value = bytearray(private)
    value[0] &= 248
    value[31] = value[31] & 127 | 64
    return bytes(value)


def x25519(private, point=(9).to_bytes(32, "little")):
    """RFC 7748, section 5: Montgomery ladder on u coordinates."""
    k = int.from_bytes(clamp(private), "little")
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for i in reversed(range(255)):
        bit = k >> i & 1
        if swapped != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P25519, x1 * (da - cb) ** 2 % P25519
        x2, z2 = aa * bb % P25519, e * (aa + 121665 * e) % P25519
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P25519 - 2, P25519) % P25519).to_bytes(32, "little")


def _rotate(value, bits):
    return (value << bits | value >> 32 - bits) & 0xFFFFFFFF


def _chacha_rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[first] = (x[first] + x[second]) & 0xFFFFFFFF
            x[third] = _rotate(x[third] ^ x[first], bits)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return x


def _words(data):
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def _unwords(words):
    return b"".join(word.to_bytes(4, "little") for word in words)


CONSTANTS = b"expand 32-byte k"


def chacha20(key, counter, nonce, data):
    """RFC 8439, section 2.4."""
    output = bytearray()
    for i in range(0, len(data), 64):
        state = _words(CONSTANTS + key + (counter + i // 64).to_bytes(4, "little") + nonce)
        mixed = _chacha_rounds(state)
        block = _unwords((a + b) & 0xFFFFFFFF for a, b in zip(state, mixed))
        output += bytes(a ^ b for a, b in zip(data[i : i + 64], block))
    return bytes(output)


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03, section 2.2."""
    mixed = _chacha_rounds(_words(CONSTANTS + key + nonce))
    return _unwords(mixed[:4] + mixed[12:])


def poly1305(key, data):
    """RFC 8439, section 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    accumulator = 0
    for i in range(0, len(data), 16):
        accumulator = (accumulator + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % P1305
    return ((accumulator + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def _padded(data):
    return data + bytes(-len(data) % 16)


def aead_seal(key, nonce, header, plain):
    """RFC 8439, section 2.8; nonce of 12 bytes."""
    sealed = chacha20(key, 1, nonce, plain)
    sizes = len(header).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    tag_key = chacha20(key, 0, nonce, bytes(32))
    return sealed + poly1305(tag_key, _padded(header) + _padded(sealed) + sizes)


def counter_nonce(counter):
    """WireGuard's nonce: 4 zero bytes, then the counter."""
    return bytes(4) + counter.to_bytes(8, "little")


def xaead_seal(key, nonce, header, plain):
    """draft-irtf-cfrg-xchacha-03, section 2.3; nonce of 24 bytes."""
    return aead_seal(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], header, plain)


def _double(byte):
    return byte << 1 ^ (0x11B if byte & 0x80 else 0)


def _sbox():
    """FIPS 197, 5.1.1: inverse in GF(2^8), then the affine map; 3 generates the field."""
    powers = [1]
    while len(powers) < 255:
        powers.append(powers[-1] ^ _double(powers[-1]))
    box = [0x63] * 256
    for exponent, byte in enumerate(powers):
        inverse = powers[-exponent % 255]
        value = inverse
        for shift in range(1, 5):
            value ^= (inverse << shift | inverse >> 8 - shift) & 0xFF
        box[byte] = value ^ 0x63
    return box


SBOX = _sbox()


def _aes_round_keys(key):
    words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
    constant = 1
    while len(words) < 60:
        word = list(words[-1])
        if len(words) % 8 == 0:
            word = [SBOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _double(constant)
        elif len(words) % 8 == 4:
            word = [SBOX[byte] for byte in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])
    return [sum(words[i : i + 4], []) for i in range(0, 60, 4)]


def aes256_encrypt(key, block):
    """FIPS 197, one block."""
    round_keys = _aes_round_keys(key)
    state = [a ^ b for a, b in zip(block, round_keys[0])]
    for number in range(1, 15):
        state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if number < 14:
            mixed = []
            for i in range(0, 16, 4):
                column = state[i : i + 4]
                for j in range(4):
                    a, b, c, d = (column[(j + k) % 4] for k in range(4))
                    mixed.append(_double(a) ^ _double(b) ^ b ^ c ^ d)
            state = mixed
        state = [a ^ b for a, b in zip(state, round_keys[number])]
    return bytes(state)


def _equal(name, value, expected):
    if value != bytes.fromhex(expected):
        raise AssertionError(f"{name}: {value.hex()} instead of {expected}")


def check():
    """Each primitive against a published vector."""
    _equal("BLAKE2s, RFC 7693 B", blake2s(b"abc"),
           "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982")
    # BLAKE2's own test suite (blake2-kat.json), keyed BLAKE2s of the empty input.
    _equal("keyed BLAKE2s", blake2s(b"", key=bytes(range(32))),
           "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49")
    _equal("X25519, RFC 7748 5.2",
           x25519(bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                  bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")),
           "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
    _equal("Poly1305, RFC 8439 2.5.2",
           poly1305(bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
                    b"Cryptographic Forum Research Group"),
           "a8061dc1305136c6c22b8baf0c0127a9")
    sunscreen = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
                 b"the future, sunscreen would be it.")
    header = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    key = bytes(range(0x80, 0xA0))
    _equal("ChaCha20-Poly1305, RFC 8439 2.8.2",
           aead_seal(key, bytes.fromhex("070000004041424344454647"), header, sunscreen)[-16:],
           "1ae10b594f09e26a7e902ecbd0600691")
    _equal("HChaCha20, draft-irtf-cfrg-xchacha-03 2.2.1",
           hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")),
           "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")
    _equal("XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03 A.3.1",
           xaead_seal(key, bytes(range(0x40, 0x58)), header, sunscreen)[-16:],
           "c0875924c1c7987947deafd8780acf49")
    _equal("AES-256, FIPS 197 C.3",
           aes256_encrypt(bytes(range(32)), bytes.fromhex("00112233445566778899aabbccddeeff")),
           "8ea2b7ca516745bfeafc49904b496089")
    # The hash that RFC 5869 has vectors for, of the same output size as BLAKE2s.
    _equal("HKDF, RFC 5869 A.1",
           hkdf(bytes(range(13)), b"\x0b" * 22, bytes(range(0xF0, 0xFA)), 42, hashlib.sha256),
           "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
