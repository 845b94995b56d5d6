#!/usr/bin/python3
"""Writes crypto-vectors.json (to the path given; --check: compares it with what is there).

The classes of cases that Project Wycheproof tests, made anew by an implementation that shares nothing with libsodium:
the arithmetic here is Python's whole numbers, written from RFC 7748, 8032, 8439 and draft-irtf-cfrg-xchacha-03, and each
of its results that OpenSSL (python3-cryptography) can give too is compared with OpenSSL's. Every case is a list:

  x25519             [class, secret, public, shared]               shared "": refused, it would be all zero
  chacha20_poly1305  [class, key, nonce, aad, text, sealed]        text null: refused
  xchacha20_poly1305 the same
  ed25519            [class, public, message, signature, is_valid]
"""
import hashlib
import json
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
TWIST_L = 2**253 - 55484635554744707071703875581767296995


class Random:
    """The same bytes in each run."""

    def __init__(self, label):
        self.label, self.count = label.encode(), 0

    def bytes(self, count):
        self.count += 1
        return hashlib.shake_128(self.label + struct.pack('<I', self.count)).digest(count)

    def number(self, bound):
        return int.from_bytes(self.bytes(64), 'little') % bound


def le(number, count=32):
    return number.to_bytes(count, 'little')


def flip(data, bit):
    return data[:bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1:]


# ---- X25519 (RFC 7748, 5)

def ladder(k, u):
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swapped ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return x2 * pow(z2, P - 2, P) % P


def clamp(secret):
    return int.from_bytes(secret, 'little') & ~7 & (1 << 255) - 1 & ~(1 << 255) | 1 << 254


def x25519(secret, public):
    return le(ladder(clamp(secret), (int.from_bytes(public, 'little') & (1 << 255) - 1) % P))


def x25519_case(kind, secret, public):
    shared = x25519(secret, public)
    try:
        assert X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public)) == shared
    except ValueError:
        assert shared == bytes(32)
    return [kind, secret.hex(), public.hex(), '' if shared == bytes(32) else shared.hex()]


# u of points of order 1, 2, 4 and 8, on the curve and on its twist.
SMALL_U = [0, 1, P - 1, 325606250916557431795983626356110631294008115727848805560023387167927233504,
           39382357235489614581723060781553021112529911719440698176882885853963445705823]


def x25519_cases():
    random = Random('x25519')
    cases = [x25519_case('plain', random.bytes(32), random.bytes(32)) for _ in range(40)]
    for u in SMALL_U:
        for same in (u, u + P):  # the second only where it fits: not reduced
            for high in (0, 1 << 255):
                if same < 1 << 255:
                    cases.append(x25519_case('small order', random.bytes(32), le(same | high)))
    for u in range(P + 2, 1 << 255):
        cases.append(x25519_case('not reduced', random.bytes(32), le(u)))
        cases.append(x25519_case('not reduced, bit 255 set', random.bytes(32), le(u | 1 << 255)))
    for u in list(range(2, 10)) + list(range(P - 9, P - 1)) + [1 << k for k in range(10, 255, 24)] + [
            (1 << k) - 1 for k in range(10, 255, 24)]:
        cases.append(x25519_case('special public key', random.bytes(32), le(u)))
    for secret in (bytes(32), b'\xff' * 32, le(7), le(1 << 254), le((1 << 255) - 8), le(clamp(le(L)))):
        cases.append(x25519_case('special secret', secret, random.bytes(32)))
        cases.append(x25519_case('special secret', secret, le(9)))
    cases += special_shared(random)
    return cases


def special_shared(random):
    """Public keys for which the shared secret is a number with long runs of bits: where carries go wrong."""
    cases = []
    targets = list(range(2, 80)) + list(range(P - 80, P - 1)) + [(1 << k) + j for k in range(25, 255, 5) for j in (-1, 0, 1)]
    for target in targets:
        for order in (L, TWIST_L):
            secret = random.bytes(32)
            # Only in a subgroup of odd order has a scalar an inverse.
            public = ladder(pow(clamp(secret), -1, order), target)
            if x25519(secret, le(public)) == le(target):
                cases.append(x25519_case('special shared secret', secret, le(public)))
    return cases


# ---- ChaCha20-Poly1305 (RFC 8439), XChaCha20-Poly1305

def quarter(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y] & 0xffffffff
        s[z] ^= s[x]
        s[z] = (s[z] << turn | s[z] >> 32 - turn) & 0xffffffff


def rounds(state):
    s = list(state)
    for _ in range(10):
        for at in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                   (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, *at)
    return s


def initial(key, tail):
    return list(struct.unpack('<4I', b'expand 32-byte k')) + list(struct.unpack('<8I', key)) + list(
        struct.unpack('<4I', tail))


def block(key, counter, nonce):
    state = initial(key, struct.pack('<I', counter) + nonce)
    return struct.pack('<16I', *((a + b) & 0xffffffff for a, b in zip(state, rounds(state))))


def hchacha20(key, tail):
    s = rounds(initial(key, tail))
    return struct.pack('<8I', *(s[:4] + s[12:]))


def stream(key, nonce, data):
    out = b''
    for at in range(0, len(data), 64):
        out += bytes(a ^ b for a, b in zip(data[at:at + 64], block(key, 1 + at // 64, nonce)))
    return out


def pad16(data):
    return data + bytes(-len(data) % 16)


def mac_key(key, nonce):
    both = block(key, 0, nonce)
    return int.from_bytes(both[:16], 'little') & 0x0ffffffc0ffffffc0ffffffc0fffffff, int.from_bytes(both[16:32], 'little')


def tag_of(key, nonce, aad, sealed):
    r, s = mac_key(key, nonce)
    text, h = pad16(aad) + pad16(sealed) + struct.pack('<QQ', len(aad), len(sealed)), 0
    for at in range(0, len(text), 16):
        h = (h + int.from_bytes(text[at:at + 16] + b'\x01', 'little')) * r % (2**130 - 5)
    return le((h + s) % 2**128, 16)


def seal(key, nonce, aad, text):
    body = stream(key, nonce, text)
    out = body + tag_of(key, nonce, aad, body)
    assert ChaCha20Poly1305(key).encrypt(nonce, text, aad) == out
    return out


def text_for_sum(random, key, nonce, total):
    """A text of 32 bytes for which Poly1305's sum is `total` before the last addition: an edge of its arithmetic."""
    field = 2**130 - 5
    r, _ = mac_key(key, nonce)
    if r == 0:
        return None
    inverse, lens = pow(r, -1, field), int.from_bytes(struct.pack('<QQ', 0, 32) + b'\x01', 'little')
    for _ in range(64):
        second = int.from_bytes(random.bytes(16) + b'\x01', 'little')
        first = ((total * inverse - lens) * inverse - second) * inverse % field
        if first >> 128 == 1:
            return stream(key, nonce, le(first & 2**128 - 1, 16) + le(second & 2**128 - 1, 16))
    return None


def aead_cases(label, key_of, nonce_len):
    random = Random(label)
    cases = []

    def fresh():
        key, nonce = random.bytes(32), random.bytes(nonce_len)
        return key, nonce, *key_of(key, nonce)

    def add(kind, key, nonce, aad, text, sealed):
        cases.append([kind, key.hex(), nonce.hex(), aad.hex(), None if text is None else text.hex(), sealed.hex()])

    for text_len, aad_len in [(n, n * 7 % 19) for n in list(range(0, 34)) + [63, 64, 65, 127, 128, 129, 255, 256, 257]]:
        key, nonce, inner, inner_nonce = fresh()
        text, aad = random.bytes(text_len), random.bytes(aad_len)
        add('plain', key, nonce, aad, text, seal(inner, inner_nonce, aad, text))
    for filler in (b'\0', b'\xff', b'\x80', b'\x7f'):
        for size in (16, 48, 65):
            key, nonce, inner, inner_nonce = fresh()
            add('special text', key, nonce, filler * size, filler * size,
                seal(inner, inner_nonce, filler * size, filler * size))
    field = 2**130 - 5
    for total in list(range(0, 8)) + list(range(field - 8, field)) + [2**128 - 1, 2**128, 2**128 + 1, 2**129, 2**64, 2**96 - 1]:
        key, nonce, inner, inner_nonce = fresh()
        text = text_for_sum(random, inner, inner_nonce, total)
        if text is not None:
            add('special sum', key, nonce, b'', text, seal(inner, inner_nonce, b'', text))
    key, nonce, inner, inner_nonce = fresh()
    text, aad = random.bytes(21), random.bytes(9)
    sealed = seal(inner, inner_nonce, aad, text)
    for bit in list(range(0, 8 * 21, 7)) + list(range(8 * 21, 8 * len(sealed))):
        add('changed tag' if bit >= 8 * 21 else 'changed text', key, nonce, aad, None, flip(sealed, bit))
    for size in range(0, len(sealed), 3):
        add('cut', key, nonce, aad, None, sealed[:size])
    add('longer', key, nonce, aad, None, sealed + b'\0')
    for tag in (bytes(16), b'\xff' * 16, bytes(15) + b'\x80', bytes(b ^ 0xff for b in sealed[-16:])):
        add('special tag', key, nonce, aad, None, sealed[:-16] + tag)
    for bit in range(0, 8 * len(aad), 5):
        add('changed aad', key, nonce, flip(aad, bit), None, sealed)
    add('aad and text moved', key, nonce, aad + sealed[:1], None, sealed[1:])
    for bit in range(0, 8 * nonce_len, 7):
        add('changed nonce', key, flip(nonce, bit), aad, None, sealed)
    for bit in range(0, 256, 13):
        add('changed key', flip(key, bit), nonce, aad, None, sealed)
    return cases


# ---- Ed25519 (RFC 8032), as strict as libsodium: no cofactor, one encoding, no keys or R of small order

D = -121665 * pow(121666, -1, P) % P


def recover_x(y, sign):
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - xx) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def add_points(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P)


def times(k, point):
    """With one denominator for all coordinates, for a division at each step would take minutes."""
    x, y, z = 0, 1, 1
    for bit in bin(k)[2:]:
        x, y, z = add_projective((x, y, z), (x, y, z))
        if bit == '1':
            x, y, z = add_projective((x, y, z), (*point, 1))
    inverse = pow(z, -1, P)
    return x * inverse % P, y * inverse % P


def add_projective(a, b):
    (x1, y1, z1), (x2, y2, z2) = a, b
    z, x, y = z1 * z2 % P, x1 * x2 % P, y1 * y2 % P
    k, zz = D * x * y % P, z * z % P
    return (z * (zz - k) * (x1 * y2 + x2 * y1) % P, z * (zz + k) * (y + x) % P, (zz - k) * (zz + k) % P)


BASE = (recover_x(4 * pow(5, -1, P) % P, 0), 4 * pow(5, -1, P) % P)


def encode(point):
    return le(point[1] | (point[0] & 1) << 255)


def decode(data):
    number = int.from_bytes(data, 'little')
    y, sign = number & (1 << 255) - 1, number >> 255
    if y >= P:
        return None
    x = recover_x(y, sign)
    return None if x is None else (x, y)


def digest(*parts):
    return int.from_bytes(hashlib.sha512(b''.join(parts)).digest(), 'little') % L


def is_small(point):
    return times(8, point) == (0, 1)


def verify(public, message, signature):
    key, r = decode(public), decode(signature[:32])
    s = int.from_bytes(signature[32:], 'little')
    if key is None or is_small(key) or s >= L or r is None or is_small(r):
        return False
    h = digest(signature[:32], public, message)
    return encode(add_points(times(s, BASE), times(L * 8 - h, key))) == signature[:32]


def ed25519_case(kind, public, message, signature):
    is_valid = verify(public, message, signature)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        is_openssl = True
    except (InvalidSignature, ValueError):
        is_openssl = False
    assert not is_valid or is_openssl  # OpenSSL also takes keys and R of small order
    return [kind, public.hex(), message.hex(), signature.hex(), is_valid]


def torsion_point():
    """A point of order 8."""
    random = Random('torsion')
    while True:
        point = decode(random.bytes(32))
        if point is not None:
            point = times(L, point)
            if times(4, point) != (0, 1):
                return point


def ed25519_cases():
    random = Random('ed25519')
    cases = []
    secret = Ed25519PrivateKey.from_private_bytes(random.bytes(32))
    public = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for size in list(range(0, 20)) + [63, 64, 65, 127, 128, 129, 511]:
        message = random.bytes(size)
        cases.append(ed25519_case('plain', public, message, secret.sign(message)))
    message = b'warren'
    good = secret.sign(message)
    s = int.from_bytes(good[32:], 'little')
    for bit in range(512):
        if bit % 5 == 0 or bit > 500:
            cases.append(ed25519_case('changed signature', public, message, flip(good, bit)))
    for bit in range(0, 256, 5):
        cases.append(ed25519_case('changed key', flip(public, bit), message, good))
    for bit in range(8 * len(message)):
        cases.append(ed25519_case('changed message', public, flip(message, bit), good))
    for k in range(1, 15):
        if s + k * L < 1 << 256:
            cases.append(ed25519_case('malleable', public, message, good[:32] + le(s + k * L)))
    cases.append(ed25519_case('malleable', public, message, good[:32] + le(L - s)))
    special = [0, 1, 2, L - 1, L, L + 1, P - 1, P, P + 1, (1 << 255) - 1, 1 << 255, (1 << 256) - 1]
    for r in special:
        for other in special:
            cases.append(ed25519_case('special R and S', public, message, le(r) + le(other)))
    return cases + small_order_cases(random, message)


def small_order_cases(random, message):
    """Keys and R with a part of small order: signatures that some take and some do not."""
    cases = []
    base = torsion_point()
    torsion = [times(k, base) for k in range(8)]
    small = {encode(point) for point in torsion}
    # The same points, written in the other ways that a lenient reader takes.
    for point in torsion:
        for y in (point[1], point[1] + P):
            for sign in (0, 1):
                if y < 1 << 255:
                    small.add(le(y | sign << 255))
    for key in sorted(small):
        for k in (0, 1, random.number(L)):
            cases.append(ed25519_case('key of small order', key, message, encode(times(k, BASE)) + le(k)))
    secret = random.number(L)
    for index in range(8):
        for _ in range(4):
            nonce = random.number(L)
            for key_part, r_part in ((index, 0), (0, index), (index, index)):
                key = encode(add_points(times(secret, BASE), torsion[key_part]))
                r = encode(add_points(times(nonce, BASE), torsion[r_part]))
                sum_ = (nonce + digest(r, key, message) * secret) % L
                cases.append(ed25519_case('mixed order', key, message, r + le(sum_)))
    for r in sorted(small):
        key = encode(times(secret, BASE))
        cases.append(ed25519_case('R of small order', key, message, r + le(digest(r, key, message) * secret % L)))
    return cases


def main(path, is_check):
    vectors = {
        'x25519': x25519_cases(),
        'chacha20_poly1305': aead_cases('chacha', lambda key, nonce: (key, nonce), 12),
        'xchacha20_poly1305': aead_cases(
            'xchacha', lambda key, nonce: (hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]), 24),
        'ed25519': ed25519_cases(),
    }
    parts = ['"%s": [\n%s\n]' % (name, ',\n'.join(json.dumps(case) for case in cases)) for name, cases in vectors.items()]
    text = '{\n%s\n}\n' % ',\n'.join(parts)
    for name, cases in vectors.items():
        print('%s: %d cases' % (name, len(cases)))
    if not is_check:
        with open(path, 'w', encoding='ascii') as file:
            file.write(text)
        return 0
    with open(path, encoding='ascii') as file:
        return 0 if file.read() == text else 'crypto-vectors.json is not what make_crypto.py writes'


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], '--check' in sys.argv[2:]))
