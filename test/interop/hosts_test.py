"""A member in Python on one host, members in JavaScript on another: handshake, certificates and sealed records."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import cert
from client import Node
from interop_test import BIN, start_agent, start_echo, stop
from payload import Map


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Hosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir, cls.processes = tempfile.mkdtemp(prefix='warren-interop-'), []
        cls.envs = {}
        for name in ('ada', 'bob'):
            cls.envs[name] = {**os.environ, 'WARREN_DIR': f'{cls.dir}/{name}', 'NODE_OPTIONS': ''}
            at = f'127.0.0.1:{free_port()}'
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

    def test_javascript_on_another_host_dials_python(self):
        self.node.serve('python', {'double': lambda value, _: value * 3})
        self.assertTrue(self.node.call('echo', 'available', 'python'))  # another host hears of it a moment later
        asked = self.node.start_call('echo', 'callPython', {'method': 'double', 'value': 'ab'})[0]
        self.node.wait(lambda: asked.is_over)
        self.assertEqual(asked.result(), 'ababab')

    def test_a_chain_of_certificates_that_was_changed_is_refused(self):
        self.node.learn_identity()
        given = self.node.identity.credentials
        chain = list(given.chain)
        found = cert.verify(chain, list(given.root), given.cluster_id)
        self.assertEqual((found.role, found.node_id), (cert.NODE, self.node.welcome.node_id))
        for i, whole in enumerate(chain):
            for at in range(0, len(whole), 7):
                changed = bytearray(whole)
                changed[at] ^= 1
                with self.assertRaises(Exception):
                    cert.verify(chain[:i] + [bytes(changed)] + chain[i + 1:], list(given.root), given.cluster_id)


if __name__ == '__main__':
    unittest.main()
