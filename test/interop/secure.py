"""The handshake between nodes of two hosts (proto/wire.md, Handshake between hosts), over a connected socket."""
import hashlib
import os
import struct

import cert
from noise import Handshake
from wire_pb import HandshakeHello

NAME = 'Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b'
NODE_TO_NODE = 2
MESSAGE_MAX, PREAMBLE_LEN, KNOCKED_LEN = 4096, 40, 24


class Identity:
    """What a node knows to speak with other hosts: its key and what the agent gave it (node.proto, Credentials)."""

    def __init__(self, key, credentials, boot_id):
        self.key, self.credentials, self.boot_id = key, credentials, boot_id

    def hello(self):
        return HandshakeHello(chain=self.credentials.chain, boot_id=self.boot_id, minor_min=1,
                              minor_max=1).SerializeToString()

    def knock(self, knocked, message):
        return hashlib.blake2b(knocked + message, key=self.credentials.knock_key, digest_size=16).digest()

    def noise(self, is_dialler, knocked):
        return Handshake(NAME, is_dialler, b'warren/link' + self.credentials.cluster_id + knocked, self.key,
                         psks=[self.credentials.link_psk])

    def check(self, hello, static_key):
        """The peer's certificate, of a node that has the key which Noise proved."""
        hello = HandshakeHello.FromString(hello)
        found = cert.verify(list(hello.chain), list(self.credentials.root), self.credentials.cluster_id)
        cert.need(found.role == cert.NODE and found.x25519 == static_key, 'the role or key')
        cert.need(hello.minor_min <= 1 <= hello.minor_max, 'the minor')
        cert.need(hello.features_required == 0, 'the features')
        return found


def read_exactly(sock, count):
    data = b''
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionError('the other end closed the handshake')
        data += more
    return data


def read_message(sock):
    length = struct.unpack('>H', read_exactly(sock, 2))[0]
    cert.need(length <= MESSAGE_MAX, 'a message is too long')
    return read_exactly(sock, length)


def framed(message):
    return struct.pack('>H', len(message)) + message


def dial(sock, identity, host_id, node_id):
    """Gives (sealing, opening) ciphers and the peer's certificate."""
    knocked = b'wrn!' + struct.pack('>BBHQ', 1, NODE_TO_NODE, identity.credentials.psk_id, node_id) + os.urandom(8)
    noise = identity.noise(True, knocked)
    first = framed(noise.write())
    sock.sendall(knocked + identity.knock(knocked, first) + first)
    peer = identity.check(noise.read(read_message(sock)), noise.rs)
    cert.need((peer.host_id, cert.node_id(peer)) == (host_id, node_id), 'not who was dialled')
    sock.sendall(framed(noise.write(identity.hello())))
    return noise.split(), peer


def answer(sock, identity, node_id):
    """The same for one who was dialled."""
    preamble, first = read_exactly(sock, PREAMBLE_LEN), read_exactly(sock, 50)
    magic, major, kind, _psk_id, target = struct.unpack('>4sBBHQ', preamble[:16])
    cert.need((magic, major, kind, target) == (b'wrn!', 1, NODE_TO_NODE, node_id), 'the preamble')
    cert.need(preamble[KNOCKED_LEN:] == identity.knock(preamble[:KNOCKED_LEN], first), 'the knock')
    noise = identity.noise(False, preamble[:KNOCKED_LEN])
    noise.read(first[2:])
    sock.sendall(framed(noise.write(identity.hello())))
    peer = identity.check(noise.read(read_message(sock)), noise.rs)
    return noise.split(), peer

