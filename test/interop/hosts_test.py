"""A member in Python on one host, members in JavaScript on another: handshake, certificates and sealed records."""
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

import cert
import secure
from client import Node
from interop_test import BIN, start_agent, start_echo, stop
from payload import Map
from wire_pb import HandshakeHello


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Hosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir, cls.processes = tempfile.mkdtemp(prefix='warren-interop-'), []
        cls.envs, cls.ports = {}, {}
        for name in ('ada', 'bob'):
            cls.envs[name] = {**os.environ, 'WARREN_DIR': f'{cls.dir}/{name}', 'NODE_OPTIONS': ''}
            port = free_port()
            cls.ports[name], at = port, f'127.0.0.1:{port}'
            options = ('--name', name, '--listen', at, '--advertise', at)
            if name == 'ada':
                cls.warren('ada', 'init', *options)
            else:
                token = cls.warren('ada', 'token', 'create').strip()
                cls.warren('bob', 'join', token, *options)
            cls.processes.insert(0, start_agent(cls.envs[name], 'in its cluster'))
        cls.processes.insert(0, start_echo(cls.envs['ada']))
        cls.node = Node(f'{cls.dir}/bob', 'python')

    @classmethod
    def warren(cls, name, *args):
        return subprocess.run([f'{BIN}/warren', *args], env=cls.envs[name], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout

    @classmethod
    def tearDownClass(cls):
        cls.node.leave()
        stop(*cls.processes)
        shutil.rmtree(cls.dir)

    def echo_peer(self):
        self.node.wait(lambda: self.node.server_of('echo'))
        return self.node.server_of('echo')[0]

    def test_python_dials_a_node_of_another_host_and_calls_it(self):
        self.assertEqual(len(self.echo_peer().info.host_id), 16)
        value = {'a': [1, Map([(1, 2)])], 'b': 'x' * 300_000}
        self.assertEqual(self.node.call('echo', 'echo', value), value)

    def test_both_change_their_keys_after_16384_records(self):
        peer = self.echo_peer()
        self.node.link_to(peer)
        keys = peer.link.sealing.key, peer.link.opening.key
        while peer.link.sealed_count <= 1 << 14 or peer.link.opening.count <= 1 << 14:
            calls = [self.node.start_call('echo', 'echo', i)[0] for i in range(20)]
            self.node.wait(lambda: all(call.is_over for call in calls))
        self.assertNotEqual(peer.link.sealing.key, keys[0])
        self.assertNotEqual(peer.link.opening.key, keys[1])
        self.assertEqual(self.node.call('echo', 'echo', 'after'), 'after')

    def test_python_may_take_a_new_key_at_any_time(self):
        peer = self.echo_peer()
        link = self.node.link_to(peer)
        for i in range(3):
            key, link.is_key_old = link.sealing.key, True
            self.assertEqual(self.node.call('echo', 'echo', i), i)
            self.assertNotEqual(link.sealing.key, key)

    def test_javascript_on_another_host_dials_python(self):
        self.node.serve('python', {'double': lambda value, _: value * 3})
        self.assertTrue(self.node.call('echo', 'available', 'python'))  # another host hears of it a moment later
        asked = self.node.start_call('echo', 'callPython', {'method': 'double', 'value': 'ab'})[0]
        self.node.wait(lambda: asked.is_over)
        self.assertEqual(asked.result(), 'ababab')

    # ---- strangers at the port of ada, and a member that lies

    def connect(self):
        sock = socket.create_connection(('127.0.0.1', self.ports['ada']), timeout=10)
        self.addCleanup(sock.close)
        return sock

    def expect_silence(self, sock):
        """It is closed without a word."""
        try:
            self.assertEqual(sock.recv(1), b'')
        except ConnectionResetError:
            pass

    def preamble(self, node_id, kind=secure.NODE_TO_NODE, major=1, magic=b'wrn!', key=None):
        identity = self.node.identity
        knocked = magic + struct.pack('>BBHQ', major, kind, identity.credentials.psk_id, node_id) + os.urandom(8)
        noise = identity.noise(True, knocked)
        first = secure.framed(noise.write())
        knock = identity.knock(knocked, first) if key is None else os.urandom(16)
        return noise, knocked + knock + first

    def test_who_does_not_knock_rightly_hears_nothing(self):
        self.node.learn_identity()
        node_id = self.echo_peer().info.node_id
        for wrong in ({'key': b'other'}, {'magic': b'wrn?'}, {'major': 2}, {'kind': 9}, {'kind': 0}):
            sock = self.connect()
            sock.sendall(self.preamble(node_id, **wrong)[1])
            self.expect_silence(sock)

    def test_a_node_that_is_not_there_is_not_spoken_of(self):
        self.node.learn_identity()
        sock = self.connect()
        sock.sendall(self.preamble(4711)[1])
        self.expect_silence(sock)

    def hello_after(self, change):
        """Dials the echo with a Hello that `change` made of ours."""
        self.node.learn_identity()
        sock = self.connect()
        noise, first = self.preamble(self.echo_peer().info.node_id)
        sock.sendall(first)
        noise.read(secure.read_message(sock))
        hello = HandshakeHello.FromString(self.node.identity.hello())
        change(hello)
        sock.sendall(secure.framed(noise.write(hello.SerializeToString())))
        return sock, noise

    def test_a_hello_that_proves_nothing_is_not_answered(self):
        def without_node(hello):
            del hello.chain[2]

        def of_other_minors(hello):
            hello.minor_min = hello.minor_max = 9

        def that_requires_what_nobody_has(hello):
            hello.features_required = 1 << 60

        def with_a_changed_signature(hello):
            hello.chain[2] = hello.chain[2][:-1] + bytes([hello.chain[2][-1] ^ 1])

        for change in (without_node, of_other_minors, that_requires_what_nobody_has, with_a_changed_signature):
            with self.subTest(change.__name__):
                self.expect_silence(self.hello_after(change)[0])

    def test_a_record_that_was_changed_ends_the_link_without_a_word(self):
        sock, noise = self.hello_after(lambda hello: None)
        sealing, opening = noise.split()
        opening.open(secure.read_message(sock))  # its READY
        sealed = bytearray(sealing.seal(bytes(8)))
        sealed[3] ^= 1
        sock.sendall(secure.framed(bytes(sealed)))
        self.expect_silence(sock)

    def test_what_was_once_said_cannot_be_said_again(self):
        said = []

        class Recorder:
            def __init__(self, sock):
                self.recv = sock.recv
                self.sock = sock

            def sendall(self, data):
                said.append(data)
                self.sock.sendall(data)

        self.node.learn_identity()
        info = self.echo_peer().info
        secure.dial(Recorder(self.connect()), self.node.identity, info.host_id, info.node_id)
        sock = self.connect()
        sock.sendall(said[0])
        self.expect_silence(sock)
        sock = self.connect()
        sock.sendall(self.preamble(info.node_id)[1])
        secure.read_message(sock)
        sock.sendall(said[1])
        self.expect_silence(sock)

    def test_a_chain_of_certificates_that_was_changed_is_refused(self):
        self.node.learn_identity()
        given = self.node.identity.credentials
        chain = list(given.chain)
        found = cert.verify(chain, list(given.root), given.cluster_id)
        self.assertEqual((found.role, cert.node_id(found)), (cert.NODE, self.node.welcome.node_id))
        for i, whole in enumerate(chain):
            for at in range(0, len(whole), 7):
                changed = bytearray(whole)
                changed[at] ^= 1
                with self.assertRaises(Exception):
                    cert.verify(chain[:i] + [bytes(changed)] + chain[i + 1:], list(given.root), given.cluster_id)


if __name__ == '__main__':
    unittest.main()
