"""What proto/wire.md says MUST close a link does, with the code it says, and what it allows does not."""
import os
import shutil
import struct
import tempfile
import unittest

from client import Node
from interop_test import start_agent, start_echo, stop
from link import CANCEL, CREDIT, ERROR, FIRST, GOAWAY, GRANT, IGNORABLE, MORE, PING, PUB, READY, REPLY, REQUEST, SHAPE
from payload import encode
from wire_pb import GoAway, Ready

PROTOCOL, TOO_LARGE, FLOW, WRONG_PEER, VERSION = range(1, 6)


def record(*frames):
    return struct.pack('>H', sum(map(len, frames))) + b''.join(frames)


def frame(kind, flags=FIRST, channel=0, body=b''):
    return struct.pack('>I', len(body))[1:] + struct.pack('>BBI', kind, flags, channel) + body


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix='warren-interop-')
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        env = {**os.environ, 'WARREN_DIR': cls.dir, 'NODE_OPTIONS': ''}
        cls.agent, cls.echo = start_agent(env), start_echo(env)
        cls.addClassCleanup(stop, cls.echo, cls.agent)

    def setUp(self):
        self.open()
        self.node.wait(lambda: self.link.peer)

    def open(self, **options):
        self.node = Node(self.dir, 'bad', **options)
        self.node.wait(lambda: self.node.server_of('echo'))
        self.peer, self.endpoint = self.node.server_of('echo')
        self.link = self.node.link_to(self.peer)

    def tearDown(self):
        self.node.leave()

    def send(self, *parts):
        for part in parts:
            self.peer.output += part
        self.node.write(self.peer)

    def request(self, call_id=1, method='echo', value=None):
        name = method.encode()
        return struct.pack('>QIIBB', call_id, 0, self.endpoint, 0, len(name)) + name + encode(value)

    def expect_closed(self, code, *parts):
        self.send(*parts)
        self.node.wait(lambda: not self.peer.sock)
        self.assertIsNotNone(self.link.goaway, 'it closed without a word')
        self.assertEqual(self.link.goaway.code, code, self.link.goaway.text)

    def expect_open(self, *parts):
        self.send(*parts)
        self.assertEqual(self.node.call('echo', 'echo', 'still here'), 'still here')
        self.assertIs(self.peer.link, self.link)

    # ---- the first frame

    def expect_first_closed(self, code, first):
        self.node.leave()
        self.open(first=first)
        self.expect_closed(code)

    def expect_ready_closed(self, code, **fields):
        def first(ready):
            ready.MergeFrom(Ready(**fields))
            return READY, FIRST, 0, ready.SerializeToString()
        self.expect_first_closed(code, first)

    def test_the_ready_of_someone_else(self):
        self.expect_ready_closed(WRONG_PEER, node_id=4711)

    def test_a_ready_of_other_minors(self):
        self.expect_ready_closed(VERSION, minor_min=7, minor_max=9)

    def test_a_ready_of_limits_that_are_not_allowed(self):
        self.expect_ready_closed(PROTOCOL, max_frame=1023)
        self.expect_ready_closed(PROTOCOL, max_frame=65472)
        self.expect_ready_closed(PROTOCOL, max_message=(64 << 10) - 1)
        self.expect_ready_closed(PROTOCOL, max_message=(16 << 20) + 1)

    def test_a_ready_that_is_no_message(self):
        self.expect_first_closed(PROTOCOL, lambda _: (READY, FIRST, 0, b'\xff\xff'))

    def test_anything_before_ready(self):
        self.expect_first_closed(PROTOCOL, lambda _: (PING, FIRST, 0, bytes(8)))

    def test_a_goaway_before_ready(self):
        self.expect_first_closed(PROTOCOL, lambda _: (GOAWAY, FIRST, 0, GoAway(code=0).SerializeToString()))

    # ---- records and frames

    def test_an_empty_record(self):
        self.expect_closed(PROTOCOL, record())

    def test_a_frame_over_two_records(self):
        ping = frame(PING, body=bytes(8))
        self.expect_closed(PROTOCOL, record(ping[:12]), record(ping[12:]))

    def test_a_frame_longer_than_the_limit(self):
        self.expect_closed(TOO_LARGE, record(frame(PUB, FIRST, 2, bytes(16385))))

    def test_a_type_nobody_knows(self):
        self.expect_closed(PROTOCOL, record(frame(0x6f)))

    def test_a_type_nobody_knows_that_may_be_ignored(self):
        self.expect_open(record(frame(0x6f, FIRST | IGNORABLE, 0, b'news')))

    def test_several_frames_in_one_record(self):
        self.expect_open(record(frame(PING, body=bytes(8)), frame(PING, body=b'abcdefgh')))

    def test_a_rekey_on_a_link_that_is_not_encrypted(self):
        self.expect_closed(PROTOCOL, record(frame(0x05)))

    def test_a_second_ready(self):
        self.expect_closed(PROTOCOL, record(frame(READY, body=Ready(minor_min=1, minor_max=1).SerializeToString())))

    def test_a_control_body_longer_than_4_kib(self):
        self.expect_closed(PROTOCOL, record(frame(GOAWAY, body=bytes(4097))))

    def test_a_goaway_ends_it_without_an_answer(self):
        self.send(record(frame(GOAWAY, body=GoAway(code=0, text='bye').SerializeToString())))
        self.node.wait(lambda: not self.peer.sock)
        self.assertIsNone(self.link.goaway)

    # ---- messages

    def test_a_total_over_the_limit(self):
        self.expect_closed(TOO_LARGE, record(frame(REQUEST, FIRST | MORE, 1, struct.pack('>I', (1 << 20) + 1025) + b'x')))

    def test_fragments_of_another_sum_than_the_total(self):
        body = self.request()
        self.expect_closed(PROTOCOL, record(frame(REQUEST, FIRST | MORE, 1, struct.pack('>I', len(body) + 1) + body[:4]),
                                            frame(REQUEST, 0, 1, body[4:])))

    def test_an_empty_fragment(self):
        body = self.request()
        self.expect_closed(PROTOCOL, record(frame(REQUEST, FIRST | MORE, 1, struct.pack('>I', len(body)) + body[:4]),
                                            frame(REQUEST, MORE, 1, b'')))

    def test_a_message_that_begins_inside_of_another(self):
        body = self.request()
        self.expect_closed(PROTOCOL, record(frame(REQUEST, FIRST | MORE, 1, struct.pack('>I', len(body)) + body[:4]),
                                            frame(REQUEST, FIRST, 1, body)))

    def test_a_fragment_without_a_beginning(self):
        self.expect_closed(PROTOCOL, record(frame(REQUEST, 0, 1, b'x')))

    def test_a_message_on_the_channel_of_another_type(self):
        self.expect_closed(PROTOCOL, record(frame(REQUEST, FIRST, 2, self.request())))

    def test_a_head_that_is_cut(self):
        self.expect_closed(PROTOCOL, record(frame(REQUEST, FIRST, 1, self.request()[:10])))

    def test_a_call_id_that_is_open(self):
        self.expect_closed(PROTOCOL, record(frame(REQUEST, FIRST, 1, self.request(5, 'silent')),
                                            frame(REQUEST, FIRST, 1, self.request(5, 'silent'))))

    def test_answers_to_calls_that_are_forgotten(self):
        self.expect_open(record(frame(REPLY, FIRST, 3, struct.pack('>QB', 77, 0) + encode(1)),
                                frame(ERROR, FIRST, 3, struct.pack('>QHBB', 78, 5, 0, 0))))

    def test_a_cancel_of_a_call_that_is_over_or_never_was(self):
        self.expect_open(record(frame(CANCEL, FIRST, 1, struct.pack('>QH', 99, 4))))

    def test_a_publication_for_an_entry_that_is_gone(self):
        self.expect_open(record(frame(PUB, FIRST, 2, struct.pack('>BBBI', 0, 1, 1, 4000) + b'x' + encode(1))))

    def test_a_publication_for_nobody_or_too_many(self):
        self.expect_closed(PROTOCOL, record(frame(PUB, FIRST, 2, struct.pack('>BBB', 0, 0, 1) + b'x' + encode(1))))

    def test_a_publication_for_65(self):
        head = struct.pack('>BBB65I', 0, 65, 1, *[1] * 65)
        self.expect_closed(PROTOCOL, record(frame(PUB, FIRST, 2, head + b'x' + encode(1))))

    # ---- shapes and credit

    def test_shapes_out_of_order(self):
        self.expect_closed(PROTOCOL, record(frame(SHAPE, body=struct.pack('>HBB', 1, 1, 1) + b'a')))

    def test_a_shape_of_33_keys(self):
        self.expect_closed(PROTOCOL, record(frame(SHAPE, body=struct.pack('>HB', 0, 33) + b'\x01a' * 33)))

    def test_a_credit_that_does_not_rise(self):
        self.expect_closed(FLOW, record(frame(CREDIT, FIRST, 1, struct.pack('>Q', 1 << 20))))

    def test_a_credit_on_another_channel(self):
        self.expect_closed(PROTOCOL, record(frame(CREDIT, FIRST, 3, struct.pack('>Q', 1 << 40))))

    def test_a_message_that_begins_without_credit(self):
        # `silent` never answers, so nothing is taken: the limit stays where READY set it.
        value, parts, sent, call_id = 'x' * 16000, [], 0, 0
        while sent < self.link.peer.request_credit:
            call_id += 1
            parts.append(record(frame(REQUEST, FIRST, 1, self.request(call_id, 'silent', value))))
            sent += len(parts[-1]) - 2
        self.expect_open_without_a_call(*parts)
        self.expect_closed(FLOW, record(frame(REQUEST, FIRST, 1, self.request(call_id + 1, 'silent'))))

    def test_a_grant_before_anything_was_sent(self):
        call = self.request(99, 'silent')
        grant = struct.pack('>QQ', 99, 1 << 20)
        self.expect_open(record(frame(REQUEST, FIRST, 1, call)), record(frame(GRANT, FIRST, 1, grant)))

    def expect_open_without_a_call(self, *parts):
        self.send(*parts, record(frame(PING, body=b'are here')))
        self.node.wait(lambda: self.link.pongs)


if __name__ == '__main__':
    unittest.main()
