"""Noise (revision 34) with 25519, ChaChaPoly and BLAKE2b, written from its specification and proto/wire.md."""
import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

HASH_LEN = 64

# Messages of each pattern, and what each side knows of the other before ("s": its static key).
PATTERNS = {
    'N': ('', 's', [['e', 'es']]),
    'NN': ('', '', [['e'], ['e', 'ee']]),
    'NK': ('', 's', [['e', 'es'], ['e', 'ee']]),
    'XK': ('', 's', [['e', 'es'], ['e', 'ee'], ['s', 'se']]),
    'KK': ('s', 's', [['e', 'es', 'ss'], ['e', 'ee', 'se']]),
    'IK': ('', 's', [['e', 'es', 's', 'ss'], ['e', 'ee', 'se']]),
    'XX': ('', '', [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']]),
    'IX': ('', '', [['e', 's'], ['e', 'ee', 'se', 's', 'es']]),
}


def blake2b(data):
    return hashlib.blake2b(data).digest()


def hkdf(chaining_key, material, count):
    temp = hmac.new(chaining_key, material, 'blake2b').digest()
    outputs, last = [], b''
    for i in range(1, count + 1):
        last = hmac.new(temp, last + bytes([i]), 'blake2b').digest()
        outputs.append(last)
    return outputs


class KeyPair:
    def __init__(self, secret=None):
        self.secret = X25519PrivateKey.from_private_bytes(secret) if secret else X25519PrivateKey.generate()
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def exchange(self, public):
        return self.secret.exchange(X25519PublicKey.from_public_bytes(public))

    def secret_bytes(self):
        return self.secret.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


class Cipher:
    """One key and its counter: seals or opens, in one direction."""

    def __init__(self, key):
        self.key, self.count = key, 0

    @staticmethod
    def nonce(count):
        return bytes(4) + count.to_bytes(8, 'little')

    def seal(self, plaintext, associated=b''):
        sealed = ChaCha20Poly1305(self.key).encrypt(self.nonce(self.count), plaintext, associated)
        self.count += 1
        return sealed

    def open(self, sealed, associated=b''):
        plaintext = ChaCha20Poly1305(self.key).decrypt(self.nonce(self.count), sealed, associated)
        self.count += 1
        return plaintext

    def rekey(self):
        """11.3: the count goes on."""
        self.key = ChaCha20Poly1305(self.key).encrypt(self.nonce(2**64 - 1), bytes(32), b'')[:32]


class Handshake:
    """One side. `write` and `read` take turns; after the last one `split` gives (sending, receiving) ciphers."""

    def __init__(self, name, is_initiator, prologue=b'', static=None, ephemeral=None, remote_static=None, psks=()):
        pattern, modifiers = name.split('_')[1], []
        if 'psk' in pattern:
            pattern, rest = pattern.split('psk', 1)
            modifiers = [int(number) for number in rest.split('+psk')]
        before_i, before_r, messages = PATTERNS[pattern]
        self.messages = [list(message) for message in messages]
        for number in modifiers:
            if number == 0:
                self.messages[0].insert(0, 'psk')
            else:
                self.messages[number - 1].append('psk')
        self.has_psk, self.psks = bool(modifiers), list(psks)
        self.is_initiator, self.s, self.next_e = is_initiator, static, ephemeral
        self.e, self.rs, self.re = None, remote_static, None
        self.at, self.cipher = 0, None
        encoded = name.encode()
        self.h = encoded.ljust(HASH_LEN, b'\0') if len(encoded) <= HASH_LEN else blake2b(encoded)
        self.ck = self.h
        self.mix_hash(prologue)
        for side, known in ((True, before_i), (False, before_r)):
            if known:
                self.mix_hash(self.s.public if side == is_initiator else self.rs)

    def mix_hash(self, data):
        self.h = blake2b(self.h + data)

    def mix_key(self, material):
        self.ck, key = hkdf(self.ck, material, 2)
        self.cipher = Cipher(key[:32])

    def mix_psk(self):
        self.ck, mixed, key = hkdf(self.ck, self.psks.pop(0), 3)
        self.mix_hash(mixed)
        self.cipher = Cipher(key[:32])

    def seal(self, plaintext):
        sealed = self.cipher.seal(plaintext, self.h) if self.cipher else plaintext
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plaintext = self.cipher.open(sealed, self.h) if self.cipher else sealed
        self.mix_hash(sealed)
        return plaintext

    def mix_dh(self, token):
        mine_first = self.is_initiator
        mine, theirs = (token[0], token[1]) if mine_first else (token[1], token[0])
        own = self.e if mine == 'e' else self.s
        self.mix_key(own.exchange(self.re if theirs == 'e' else self.rs))

    def take_turn(self):
        tokens = self.messages[self.at]
        self.at += 1
        return tokens

    def write(self, payload=b''):
        out = b''
        for token in self.take_turn():
            if token == 'e':
                self.e = self.next_e or KeyPair()
                out += self.e.public
                self.mix_hash(self.e.public)
                if self.has_psk:
                    self.mix_key(self.e.public)
            elif token == 's':
                out += self.seal(self.s.public)
            elif token == 'psk':
                self.mix_psk()
            else:
                self.mix_dh(token)
        return out + self.seal(payload)

    def read(self, message):
        for token in self.take_turn():
            if token == 'e':
                self.re, message = message[:32], message[32:]
                self.mix_hash(self.re)
                if self.has_psk:
                    self.mix_key(self.re)
            elif token == 's':
                length = 48 if self.cipher else 32
                self.rs, message = self.open(message[:length]), message[length:]
            elif token == 'psk':
                self.mix_psk()
            else:
                self.mix_dh(token)
        return self.open(message)

    def is_over(self):
        return self.at == len(self.messages)

    def split(self):
        first, second = (Cipher(key[:32]) for key in hkdf(self.ck, b'', 2))
        return (first, second) if self.is_initiator else (second, first)
