"""A member in Python, written from proto/ alone, among members in JavaScript: it joins, calls, serves, publishes."""
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import payload
from client import APPLICATION, CANCELLED, CallFailed, NO_ANSWER, NO_METHOD, Node, TIMEOUT
from link import BULK
from payload import BigInt, Date, InvalidDate, JsError, Map, RegExp, Set, TypedArray, UNDEFINED, Url

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1
BIN = os.environ.get('WARREN_BIN', os.path.join(HERE, '../../build/bin'))


def start(words, env, stream, text):
    """Starts a program that ends with this one, and reads its `stream` up to a line with this text."""
    process = subprocess.Popen(words, env=env, **{'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, stream: subprocess.PIPE},
                               text=True, preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    line = ' '
    while line and text not in line:
        line = getattr(process, stream).readline()
    return process


def start_agent(env, text='listens on'):
    return start([f'{BIN}/warren', 'agent'], env, 'stderr', text)


def start_echo(env):
    return start([f'{BIN}/warren-node', f'{HERE}/echo.mjs'], env, 'stdout', 'ready')


def stop(*processes):
    for process in processes:
        process.terminate()
        process.communicate()


class Mesh(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix='warren-interop-')
        cls.env = {**os.environ, 'WARREN_DIR': cls.dir, 'NODE_OPTIONS': ''}
        cls.agent, cls.echo = start_agent(cls.env), start_echo(cls.env)
        cls.node = Node(cls.dir, 'python')

    @classmethod
    def tearDownClass(cls):
        cls.node.leave()
        stop(cls.echo, cls.agent)
        shutil.rmtree(cls.dir)

    def call(self, method, value, **options):
        return self.node.call('echo', method, value, **options)

    # ---- joining

    def test_the_agent_says_who_it_is(self):
        self.assertRegex(self.node.welcome.name, '^python')
        self.assertNotEqual(self.node.welcome.node_id, 0)

    def test_it_is_in_the_list_of_nodes(self):
        listed = subprocess.run([f'{BIN}/warren', 'ps'], env=self.env, stdout=subprocess.PIPE, text=True, check=True)
        self.assertIn(self.node.welcome.name, listed.stdout)

    # ---- values

    VALUES = {
        'null': None, 'true': True, '[ -1, 127, 128, -33, 65536 ]': [-1, 127, 128, -33, 65536], '1.5': 1.5,
        "'é€😀'": 'é€😀', '{ a: { b: [] } }': {'a': {'b': []}}, 'undefined': UNDEFINED, "Map(1) { 1 => 'x' }": Map([(1, 'x')]),
        "Set(2) { 1, 'a' }": Set([1, 'a']), '1180591620717411303424n': BigInt(2**70), '-5n': BigInt(-5),
        '1970-01-01T00:00:01.500Z': Date(1, 500_000_000), 'Invalid Date': InvalidDate(),
        'Uint16Array(2) [ 1, 258 ]': TypedArray(5, struct.pack('<HH', 1, 258)), '<Buffer 61 62>': b'ab',
        '/a+/gi': RegExp('a+', 'gi'), '18446744073709551615n': 2**64 - 1, '9007199254740991': 2**53 - 1,
        '[ 1, <1 empty item>, 3 ]': [1, payload.HOLE, 3],
    }

    def test_what_python_writes_javascript_reads(self):
        for text, value in self.VALUES.items():
            with self.subTest(text):
                self.assertEqual(self.call('inspect', value), text)

    def test_a_url_and_an_error_arrive_as_such(self):
        self.assertIn("href: 'http://h/p?q=1'", self.call('inspect', Url('http://h/p?q=1')))
        text = self.call('inspect', JsError('RangeError', 'far', 'RangeError: far\n    at py', {'code': 'E_FAR'}))
        self.assertRegex(text, r"^RangeError: far\n    at py \{\s+code: 'E_FAR'")

    def test_a_map_with_other_keys_is_read_as_a_map(self):
        self.assertEqual(self.node.call('echo', 'inspect', RawMap()), 'Map(1) { 7 => 8 }')

    def test_a_cycle_stays_a_cycle(self):
        cycle = {'list': []}
        cycle['list'].append(cycle)
        self.assertEqual(self.call('inspect', cycle), '<ref *1> { list: [ [Circular *1] ] }')
        back = self.call('echo', cycle)
        self.assertIs(back['list'][0], back)

    def test_what_javascript_writes_python_reads(self):
        shared = {'name': 'shared'}
        expected = {
            'plain': {'a': 1, 'b': [None, True, 1.5, 'é', -70000, 2**40]}, 'undefined': {'gone': UNDEFINED},
            'map': Map([(1, 'one'), ('two', 2)]), 'set': Set([1, 'a']),
            'big': [BigInt(2**70), BigInt(-2**63), BigInt(5)],
            'date': [Date(1, 500_000_000), Date(-1, 999_000_000), InvalidDate()],
            'typed': [TypedArray(5, struct.pack('<HH', 1, 258)), TypedArray(9, struct.pack('<d', 0.5))],
            'bytes': b'ab', 'regexp': RegExp('a+', 'gi'), 'url': Url('http://h/p?q=1'),
            'repeated': [shared, Map([('k', shared)]), shared], 'holes': [1, payload.HOLE, 3],
            'shapes': [{'id': i, 'name': f'n{i}', 'tags': ['x']} for i in range(50)], 'long': 'x' * 300_000,
        }
        for name, value in expected.items():
            with self.subTest(name):
                found = self.call('sample', name)
                self.assertEqual(found, value)
                if name != 'date':  # for Node.js two invalid dates differ
                    self.assertIs(self.call('isSample', {'name': name, 'value': found}), True)

    def test_an_error_of_javascript_has_its_class_cause_and_properties(self):
        found = self.call('sample', 'error')
        self.assertEqual((found.name, found.message, found.properties['code']), ('TypeError', 'wrong', 'E_X'))
        self.assertEqual((found.properties['cause'].name, found.properties['cause'].message), ('RangeError', 'why'))

    def test_cycles_and_repeats_of_javascript_are_the_same_object(self):
        found = self.call('sample', 'cycle')
        self.assertIs(found['list'][0], found)
        found = self.call('sample', 'repeated')
        self.assertIs(found[0], found[2])
        self.assertIs(found[1].pairs[0][1], found[0])

    # ---- calls

    def test_a_long_message_goes_there_and_back_in_fragments(self):
        text = 'y' * 1_000_000
        self.assertEqual(self.call('echo', text), text)

    def test_more_requests_than_the_credit_wait_and_are_all_answered(self):
        text = 'z' * 200_000
        calls = [self.node.start_call('echo', 'echo', text)[0] for _ in range(40)]  # 8 MB on a window of 1 MiB
        self.node.wait(lambda: all(call.is_over for call in calls))
        self.assertTrue(all(call.result() == text for call in calls))

    def test_the_answer_to_a_bulk_call_is_bulk_and_a_small_call_overtakes_both(self):
        text = 'b' * 1_000_000
        self.node.channels.clear()
        bulk = [self.node.start_call('echo', 'echo', text, lane=BULK)[0] for _ in range(8)]  # 8 MB on a window of 1 MiB
        self.assertEqual(self.call('echo', 1), 1)
        self.assertFalse(all(call.is_over for call in bulk))
        self.assertIn(3, self.node.channels)
        self.node.wait(lambda: all(call.is_over for call in bulk))
        self.assertTrue(all(call.result() == text for call in bulk))
        self.assertEqual(self.node.channels[-1], 6)

    def test_a_handler_that_throws_is_an_error_of_its_class(self):
        with self.assertRaises(CallFailed) as failed:
            self.call('throws', None)
        self.assertEqual(failed.exception.code, APPLICATION)
        self.assertEqual(failed.exception.value.message, 'no luck')
        self.assertEqual(failed.exception.value.properties['code'], 'E_LUCK')

    def test_a_method_that_is_not_there_is_said_so(self):
        with self.assertRaises(CallFailed) as failed:
            self.call('nothing', None)
        self.assertEqual(failed.exception.code, NO_METHOD)

    def test_a_deadline_ends_a_call_that_is_not_answered(self):
        with self.assertRaises(CallFailed) as failed:
            self.call('silent', None, deadline_ms=50)
        self.assertEqual(failed.exception.code, TIMEOUT)

    def test_headers_go_with_a_call(self):
        self.assertEqual(self.call('headers', {'a': 1}, headers={'trace': 't1'}), {'trace': 't1'})
        both = []
        self.assertEqual(self.call('echo', [both, both], headers={'trace': 't2'}), [[], []])

    def test_a_cancelled_call_is_forgotten_by_both(self):
        call, peer, call_id = self.node.start_call('echo', 'silent', None)
        peer.calls.pop(call_id)
        peer.link.cancel(call_id, CANCELLED)
        self.node.write(peer)
        self.assertEqual(self.call('echo', 1), 1)
        self.assertFalse(call.is_over)

    # ---- serving

    def test_javascript_calls_python(self):
        def fails(value, _):
            raise CallFailed(APPLICATION, JsError('RangeError', 'too far', '', {'code': 'E_FAR'}))

        node = Node(self.dir, 'server')
        node.serve('python', {'double': lambda value, _: value * 2, 'fails': fails, 'slow': lambda value, _: NO_ANSWER,
                              'broken': lambda value, _: Broken()})
        waiting, _, _ = self.node.start_call('echo', 'callPython', {'method': 'double', 'value': 'ab'})
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual(waiting.result(), 'abab')
        self.assertEqual(node.channels[-1], 1)
        waiting, _, _ = self.node.start_call('echo', 'callPython', {'method': 'double', 'value': 'ab', 'lane': 'bulk'})
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual((waiting.result(), node.channels[-1]), ('abab', 4))
        waiting, _, _ = self.node.start_call('echo', 'callPythonError', 'fails')
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual(waiting.result()[:3], ['RangeError', 'E_FAR', 'too far'])
        waiting, _, _ = self.node.start_call('echo', 'callPythonError', 'missing')
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual(waiting.result()[1], 'ERR_WARREN_NO_METHOD')
        waiting, _, _ = self.node.start_call('echo', 'callPythonBroken', None)
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual(waiting.result(), ['ERR_WARREN_PROTOCOL', 'maybe', 'malformed message: a byte that begins no value'])
        # A peer that offers no feature is sent no input that is a stream, and the link goes on.
        count = len(node.requests)
        waiting, _, _ = self.node.start_call('echo', 'streamToPython', None)
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual((waiting.result(), len(node.requests)), (['ERR_WARREN_NO_METHOD', 'no', True], count))
        waiting, _, _ = self.node.start_call('echo', 'callPythonLate', None)
        self.wait_both(node, lambda: waiting.is_over)
        self.assertEqual(waiting.result(), 'ERR_WARREN_TIMEOUT')
        # The deadline ended it at both ends; CANCEL (3) is for an answer that begins to be a stream right then.
        self.assertEqual((node.requests[-1][1:], [code for _, code in node.cancelled]), ((100, 'slow'), [3]))
        node.leave()
        self.node.wait(lambda: node.welcome.node_id in self.node.downs)
        self.assertEqual(self.node.downs[node.welcome.node_id].reason, 'left')

    def wait_both(self, other, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end)
            self.node.turn(0.01)
            other.turn(0.01)

    # ---- publications

    def test_publications_go_both_ways(self):
        received = []
        self.node.subscribe('python.>', lambda subject, value: received.append((subject, value)))
        self.call('say', {'subject': 'python.a.b', 'value': {'n': 1}})
        self.node.wait(lambda: received)
        self.assertEqual(received, [('python.a.b', {'n': 1})])
        self.node.publish('interop.x', [1, 2])
        self.node.publish('other.x', [3])
        found = []
        while not found:
            found = self.call('received', None)
        self.assertEqual(found, [['interop.x', [1, 2]]])

    def test_more_bulk_than_the_credit_goes_both_ways(self):
        received, text = [], 'p' * 200_000
        self.node.subscribe('bulk.>', lambda subject, value: received.append(value))
        for _ in range(20):  # 4 MB on a window of 1 MiB
            self.call('say', {'subject': 'bulk.a', 'value': text, 'lane': 'bulk'})
        self.node.wait(lambda: len(received) == 20)
        self.assertIn(5, self.node.channels)
        found = []
        for _ in range(20):
            self.node.publish('interop.bulk', text, lane=BULK)
            found += self.call('received', None)
        while len(found) < 20:
            found += self.call('received', None)
        self.assertEqual(found, [['interop.bulk', text]] * 20)

    # ---- death

    def test_a_peer_that_is_killed_is_told_of_and_its_calls_end(self):
        other = start_echo(self.env)
        node = Node(self.dir, 'witness')
        servers = [peer for peer in node.peers.values() if peer.info.pid == other.pid]
        self.assertEqual(len(servers), 1)
        node.link_to(servers[0])
        other.kill()
        other.communicate()
        node.wait(lambda: servers[0].info.node_id in node.downs)
        down = node.downs[servers[0].info.node_id]
        self.assertEqual((down.reason, down.code, down.signal), ('crash', -1, 0))
        node.leave()


class Broken(Map):
    """Written as a byte that begins no value."""


class RawMap(Map):
    """Written as a MessagePack map with a key that is no string."""


def write_raw_map(self, value):
    if isinstance(value, RawMap):
        self.out += b'\x81\x07\x08'
    elif isinstance(value, Broken):
        self.out += b'\xc1'
    else:
        object_of(self, value)


object_of, payload.Encoder.object = payload.Encoder.object, write_raw_map

if __name__ == '__main__':
    unittest.main()
