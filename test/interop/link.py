"""A link between two members: records, frames, messages, credit (proto/wire.md, from Records to Credit)."""
import struct
from collections import deque

from wire_pb import Ready, GoAway

GRANT = 0x31
READY, PING, PONG, GOAWAY, REKEY, CREDIT, SHAPE = 0x01, 0x02, 0x03, 0x04, 0x05, 0x10, 0x12
REQUEST, REPLY, ERROR, CANCEL, PUB = 0x21, 0x22, 0x23, 0x24, 0x42
FIRST, MORE, IGNORABLE = 0x01, 0x02, 0x80
NORMAL, BULK = 0, 1
CHANNELS = {REQUEST: (1, 4), REPLY: (3, 6), ERROR: (3, 6), PUB: (2, 5)}  # by lane
WITH_CREDIT = (1, 2, 4, 5)

FRAME_HEAD_LEN, RECORD_TARGET, REKEY_RECORDS = 9, 16 << 10, 1 << 14
MAX_FRAME, MAX_MESSAGE, WINDOW = 16384, 1 << 20, 1 << 20
FAULT_PROTOCOL, FAULT_FLOW = 1, 3


class LinkClosed(Exception):
    def __init__(self, code, text):
        super().__init__(f'{text} ({code})')
        self.code = code


class Partial:
    def __init__(self, kind, total):
        self.kind, self.total, self.body, self.wire_len = kind, total, bytearray(), 0


class Link:
    """`on_message(type, body, bytes on the wire, channel)` gets whole messages and CANCEL. `pump_out` gives the bytes to
    write, `feed` takes those that were read. `first` makes the first frame of a Ready, in tests."""

    def __init__(self, own_id, peer_id, on_message, ciphers=None, max_frame=MAX_FRAME, max_message=MAX_MESSAGE,
                 window=WINDOW, first=None):
        self.own_id, self.peer_id, self.on_message = own_id, peer_id, on_message
        self.sealing, self.opening = ciphers or (None, None)
        self.sealed_count = self.opened_count = 0
        self.is_key_old = False  # true: the next record is its last
        self.input, self.output = bytearray(), bytearray()
        self.frames = deque()    # to be written
        self.messages = deque()  # wait for credit, or for the peer's READY
        self.shapes, self.partial = [], {}
        self.peer, self.goaway, self.pongs = None, None, []
        self.sent, self.limit, self.received, self.taken = ({channel: 0 for channel in WITH_CREDIT} for _ in range(4))
        self.granted = {channel: window for channel in WITH_CREDIT}
        self.window, self.max_frame, self.max_message = window, max_frame, max_message
        ready = Ready(minor_min=1, minor_max=1, node_id=own_id, max_frame=max_frame, max_message=max_message,
                      request_credit=window, publish_credit=window)
        self.frame(*(first(ready) if first else (READY, FIRST, 0, ready.SerializeToString())))

    # ---- writing

    def frame(self, kind, flags, channel, body=b''):
        self.frames.append(struct.pack('>I', len(body))[1:] + struct.pack('>BBI', kind, flags, channel) + body)
        if channel in WITH_CREDIT and kind not in (CREDIT, CANCEL):
            self.sent[channel] += FRAME_HEAD_LEN + len(body)

    def send(self, kind, body, lane=NORMAL):
        self.messages.append((kind, body, lane))
        self.start_messages()

    def cancel(self, call_id, code):
        """Never before the end of its own request: while that waits there is nothing to cancel."""
        before = len(self.messages)
        self.messages = deque(m for m in self.messages if not (m[0] == REQUEST and m[1][:8] == struct.pack('>Q', call_id)))
        if len(self.messages) == before:
            self.frame(CANCEL, FIRST, 1, struct.pack('>QH', call_id, code))

    def may_begin(self, channel):
        return channel not in WITH_CREDIT or self.sent[channel] < self.limit[channel]

    def start_messages(self):
        if not self.peer:
            return
        for _ in range(len(self.messages)):
            kind, body, lane = self.messages.popleft()
            if self.may_begin(CHANNELS[kind][lane]):
                self.write_message(kind, body, lane)
            else:
                self.messages.append((kind, body, lane))

    def write_message(self, kind, body, lane):
        channel = CHANNELS[kind][lane]
        if len(body) <= self.max_frame:
            self.frame(kind, FIRST, channel, body)
            return
        whole, at = struct.pack('>I', len(body)) + body, 0
        while at < len(whole):
            part = whole[at:at + self.max_frame]
            flags = (FIRST if at == 0 else 0) | (MORE if at + len(part) < len(whole) else 0)
            self.frame(kind, flags, channel, part)
            at += len(part)

    def record(self, plaintext):
        if self.sealing:
            self.sealed_count += 1
            is_last = self.sealed_count % REKEY_RECORDS == 0 or self.is_key_old
            self.is_key_old = False
            if is_last:
                plaintext += bytes(3) + bytes([REKEY, FIRST]) + bytes(4)
            plaintext = self.sealing.seal(plaintext)
            if is_last:
                self.sealing.rekey()
        return struct.pack('>H', len(plaintext)) + plaintext

    def pump_out(self):
        while self.frames:
            plaintext = self.frames.popleft()
            while self.frames and len(plaintext) + len(self.frames[0]) <= RECORD_TARGET:
                plaintext += self.frames.popleft()
            self.output += self.record(plaintext)
        out, self.output = bytes(self.output), bytearray()
        return out

    # ---- reading

    def fault(self, code, text):
        self.frame(GOAWAY, FIRST, 0, GoAway(code=code, text=text).SerializeToString())
        raise LinkClosed(code, text)

    def feed(self, data):
        self.input += data
        while len(self.input) >= 2:
            length = struct.unpack('>H', self.input[:2])[0]
            if length == 0:
                self.fault(FAULT_PROTOCOL, 'an empty record')
            if len(self.input) < 2 + length:
                return
            record, self.input = bytes(self.input[2:2 + length]), self.input[2 + length:]
            if self.opening:
                record = self.opening.open(record)
            self.read_frames(record)

    def read_frames(self, record):
        while record:
            if len(record) < FRAME_HEAD_LEN:
                self.fault(FAULT_PROTOCOL, 'a frame spans records')
            length = int.from_bytes(record[:3], 'big')
            kind, flags, channel = struct.unpack('>BBI', record[3:FRAME_HEAD_LEN])
            body, record = record[FRAME_HEAD_LEN:FRAME_HEAD_LEN + length], record[FRAME_HEAD_LEN + length:]
            if len(body) < length:
                self.fault(FAULT_PROTOCOL, 'a frame spans records')
            self.read_frame(kind, flags, channel, body)

    def read_frame(self, kind, flags, channel, body):
        if not self.peer and kind not in (READY, GOAWAY):
            self.fault(FAULT_PROTOCOL, 'a frame before READY')
        if kind in CHANNELS:
            self.read_message(kind, flags, channel, body)
        elif kind == READY:
            self.read_ready(body)
        elif kind == PING:
            self.frame(PONG, FIRST, 0, body)
        elif kind == CREDIT:
            self.limit[channel] = struct.unpack('>Q', body)[0]
            self.start_messages()
        elif kind == SHAPE:
            self.read_shape(body)
        elif kind == CANCEL:
            self.on_message(kind, body, 0, channel)
        elif kind == GOAWAY:
            self.goaway = GoAway.FromString(body)
        elif kind == REKEY and self.opening:
            self.opening.rekey()
        elif kind == PONG:
            self.pongs.append(body)
        elif not flags & IGNORABLE:
            self.fault(FAULT_PROTOCOL, f'type {kind}')

    def read_ready(self, body):
        self.peer = Ready.FromString(body)
        if self.peer.node_id != self.peer_id:
            self.fault(4, 'not who the agent said')
        self.max_frame = min(self.max_frame, self.peer.max_frame)
        self.max_message = min(self.max_message, self.peer.max_message)
        for lane in NORMAL, BULK:
            self.limit[CHANNELS[REQUEST][lane]] = self.peer.request_credit
            self.limit[CHANNELS[PUB][lane]] = self.peer.publish_credit
        self.start_messages()

    def read_shape(self, body):
        number, count, at, keys = *struct.unpack('>HB', body[:3]), 3, []
        for _ in range(count):
            keys.append(body[at + 1:at + 1 + body[at]].decode())
            at += 1 + body[at]
        if number != len(self.shapes) or at != len(body):
            self.fault(FAULT_PROTOCOL, 'a shape out of order')
        self.shapes.append(keys)

    def read_message(self, kind, flags, channel, body):
        wire_len = FRAME_HEAD_LEN + len(body)
        if channel not in CHANNELS[kind]:
            self.fault(FAULT_PROTOCOL, f'type {kind} on channel {channel}')
        if channel in WITH_CREDIT:
            if flags & FIRST and self.received[channel] >= self.granted[channel]:
                self.fault(FAULT_FLOW, 'a message without credit')
            self.received[channel] += wire_len
        if flags & FIRST and not flags & MORE:
            self.on_message(kind, body, wire_len, channel)
            return
        if flags & FIRST:
            self.partial[channel] = Partial(kind, struct.unpack('>I', body[:4])[0])
            body = body[4:]
        part = self.partial[channel]
        part.body += body
        part.wire_len += wire_len
        if flags & MORE:
            return
        del self.partial[channel]
        if len(part.body) != part.total:
            self.fault(FAULT_PROTOCOL, 'another length than the total')
        self.on_message(part.kind, bytes(part.body), part.wire_len, channel)

    def take(self, channel, length):
        """`length` bytes of a channel were taken by the application: the peer may send so many more."""
        self.taken[channel] += length
        limit = self.taken[channel] + self.window
        if limit - self.granted[channel] >= self.window // 2:
            self.granted[channel] = limit
            self.frame(CREDIT, FIRST, channel, struct.pack('>Q', limit))
