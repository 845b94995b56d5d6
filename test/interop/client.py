"""A member of the mesh, written from proto/*.proto and proto/wire.md. One thread; `wait` runs it."""
import array
import os
import selectors
import socket
import struct
import time

import cert
import payload
import secure
from link import CANCEL, CHANNELS, ERROR, NORMAL, PUB, REPLY, REQUEST, Link
from noise import KeyPair
from wire_pb import Hello, ToAgent, ToNode

PACKET_MAX = 128 << 10
APPLICATION, NO_RESPONDERS, TIMEOUT, CANCELLED, OVERLOADED, CLOSED, NO_METHOD = range(1, 8)
HAS_HEADERS = 0x01
SERVICE, SUBSCRIPTION = 0, 1
NO_ANSWER = object()  # of a method that never answers


class CallFailed(Exception):
    def __init__(self, code, value=None):
        super().__init__(code, value)
        self.code, self.value = code, value


class Peer:
    """Another member: its entries, and the link to it when there is one."""

    def __init__(self, info):
        self.info, self.entries = info, {}
        self.sock, self.link, self.output = None, None, bytearray()
        self.calls = {}


class Call:
    def __init__(self):
        self.is_over, self.value, self.error = False, None, None
        self.ends_at, self.forget = None, None

    def result(self):
        if self.error:
            raise self.error
        return self.value


class Node:
    def __init__(self, directory, name='', **link_options):
        self.selector = selectors.DefaultSelector()
        self.agent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.agent.connect(os.path.join(directory, 'agent.sock'))
        self.agent.send(Hello(role=Hello.NODE, protocol=1, pid=os.getpid(), name=name).SerializeToString())
        self.selector.register(self.agent, selectors.EVENT_READ, self.on_packet)
        self.link_options = link_options
        self.peers, self.downs, self.refused = {}, {}, None
        self.welcome, self.is_joined, self.announced = None, False, set()
        self.link_key, self.identity = KeyPair(), None
        self.services, self.subscriptions, self.deadlines = {}, {}, []
        self.next_entry, self.next_call, self.link_count = 1, 1, 0
        self.requests, self.cancelled = [], []  # (call_id, deadline_ms, method), (call_id, code)
        self.channels = []  # of each message that came
        self.wait(lambda: self.welcome)
        self.tell_agent(join={})
        self.wait(lambda: self.is_joined)

    # ---- the agent

    def tell_agent(self, **kind):
        self.agent.send(ToAgent(**kind).SerializeToString())

    def on_packet(self):
        data, ancillary, _, _ = self.agent.recvmsg(PACKET_MAX, socket.CMSG_SPACE(8 * 4))
        fds = array.array('i')
        for _, _, content in ancillary:
            fds.frombytes(content[:len(content) // 4 * 4])
        if not data:
            raise ConnectionError(self.refused or 'the agent is gone')
        message = ToNode.FromString(data)
        kind = message.WhichOneof('kind')
        handler = getattr(self, f'on_{kind}', None)
        if handler:
            handler(getattr(message, kind), fds)

    def on_welcome(self, message, _):
        self.welcome = message

    def on_joined(self, _message, _):
        self.is_joined = True

    def on_refused(self, message, _):
        self.refused = message.text

    def on_announced(self, message, _):
        self.announced.add(message.entry_id)

    def on_registry(self, message, _):
        for info in message.up:
            self.peers[info.node_id] = Peer(info)
        for owned in message.put:
            self.peers[owned.node_id].entries[owned.entry.entry_id] = owned.entry
        for owned in message.removed:
            self.peers[owned.node_id].entries.pop(owned.entry.entry_id, None)

    def on_down(self, message, _):
        """The link is read to its end before anybody is told."""
        peer = self.peers.pop(message.node_id, None)
        while peer and peer.sock:
            self.on_readable(peer)
        self.downs[message.node_id] = message
        if peer:
            for call in peer.calls.values():
                self.end_call(call, error=CallFailed(8))

    def on_credentials(self, message, _):
        self.identity = secure.Identity(self.link_key, message, self.welcome.node_id)

    def learn_identity(self):
        """Before the first link to another host."""
        if not self.identity:
            self.tell_agent(credentials_request={'link_key': self.link_key.public})
            self.wait(lambda: self.identity)

    def on_link(self, message, fds):
        self.link_count += 1
        sock, ciphers, node_id = socket.socket(fileno=fds[0]), None, message.node_id
        if message.HasField('remote'):
            ciphers, node_id = self.shake_hands(sock, message)
        peer = self.peers[node_id]
        peer.sock = sock
        peer.sock.setblocking(False)
        peer.link = Link(self.welcome.node_id, node_id,
                         lambda *message: self.on_message(peer, *message),
                         ciphers=ciphers, **self.link_options)
        self.selector.register(peer.sock, selectors.EVENT_READ, lambda: self.on_ready(peer))
        self.write(peer)

    def shake_hands(self, sock, message):
        sock.settimeout(3)
        self.learn_identity()
        if message.node_id:
            ciphers, peer = secure.dial(sock, self.identity, message.remote.host_id, message.node_id)
        else:
            ciphers, peer = secure.answer(sock, self.identity, self.welcome.node_id)
        return ciphers, cert.node_id(peer)

    def on_connect_failed(self, message, _):
        raise ConnectionError(message.text)

    # ---- links

    def link_to(self, peer):
        if not peer.link:
            if peer.info.host_id:
                self.learn_identity()
            self.tell_agent(connect={'node_id': peer.info.node_id, 'links': self.link_count + 1})
            self.wait(lambda: peer.link)
        return peer.link

    def write(self, peer):
        """What the socket does not take waits in peer.output until it does."""
        peer.output += peer.link.pump_out()
        try:
            del peer.output[:peer.sock.send(peer.output)]
        except (BlockingIOError, ConnectionError):
            pass  # a broken one shows its end when it is read
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.output else 0)
        self.selector.modify(peer.sock, events, lambda: self.on_ready(peer))

    def on_ready(self, peer):
        self.on_readable(peer)
        if peer.sock:
            self.write(peer)

    def on_readable(self, peer):
        try:
            data = peer.sock.recv(256 << 10)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b''
        if not data:
            self.selector.unregister(peer.sock)
            peer.sock.close()
            peer.sock = peer.link = None
            return
        peer.link.feed(data)

    def on_message(self, peer, kind, body, wire_len, channel):
        self.channels.append(channel)
        if kind == REQUEST:
            self.on_request(peer, body, CHANNELS[kind].index(channel))
            peer.link.take(channel, wire_len)
        elif kind == PUB:
            self.on_publication(peer, body)
            peer.link.take(channel, wire_len)
        elif kind in (REPLY, ERROR):
            self.on_answer(peer, kind, body)
        elif kind == CANCEL:
            self.cancelled.append(struct.unpack('>QH', body))

    # ---- calls

    def announce(self, kind, name, queue=''):
        entry_id, self.next_entry = self.next_entry, self.next_entry + 1
        self.tell_agent(announce={'entry': {'entry_id': entry_id, 'kind': kind, 'name': name, 'queue': queue}})
        return entry_id

    def serve(self, name, methods):
        """`methods`: name -> a function of one value and the headers."""
        entry_id = self.announce(SERVICE, name)
        self.services[entry_id] = methods
        self.wait(lambda: entry_id in self.announced)

    def read_payload(self, peer, flags, data):
        """Gives the headers and the value."""
        decoder = payload.Decoder(data, peer.link.shapes)
        headers = decoder.value() if flags & HAS_HEADERS else None
        if headers is not None:
            decoder.seen.clear()
        value = decoder.value()
        if decoder.at != len(data):
            raise payload.WireError('bytes after the value')
        return headers, value

    def on_request(self, peer, body, lane):
        """The answer goes by the lane of the call."""
        call_id, deadline_ms, endpoint, flags, name_len = struct.unpack('>QIIBB', body[:18])
        name = body[18:18 + name_len].decode()
        self.requests.append((call_id, deadline_ms, name))
        headers, value = self.read_payload(peer, flags, body[18 + name_len:])
        method = self.services.get(endpoint, {}).get(name)
        if not method:
            code = NO_METHOD if endpoint in self.services else NO_RESPONDERS
            peer.link.send(ERROR, struct.pack('>QHBB', call_id, code, 0, 0), lane)
            return
        try:
            result = method(value, headers)
            if result is not NO_ANSWER:
                peer.link.send(REPLY, struct.pack('>QB', call_id, 0) + payload.encode(result), lane)
        except CallFailed as failed:
            peer.link.send(ERROR, struct.pack('>QHBB', call_id, failed.code, 1, 0) + payload.encode(failed.value),
                           lane)

    def server_of(self, service):
        for peer in self.peers.values():
            for entry in peer.entries.values():
                if entry.kind == SERVICE and entry.name == service:
                    return peer, entry.entry_id
        return None

    def start_call(self, service, method, value, deadline_ms=0, headers=None, lane=NORMAL):
        self.wait(lambda: self.server_of(service))
        peer, endpoint = self.server_of(service)
        link = self.link_to(peer)
        call, call_id = Call(), self.next_call
        self.next_call += 1
        peer.calls[call_id] = call
        if deadline_ms:
            call.ends_at, call.forget = time.monotonic() + deadline_ms / 1000, lambda: peer.calls.pop(call_id)
            self.deadlines.append(call)
        data = payload.encode(headers) if headers is not None else b''
        name = method.encode()
        link.send(REQUEST, struct.pack('>QIIBB', call_id, deadline_ms, endpoint, HAS_HEADERS if data else 0,
                                       len(name)) + name + data + payload.encode(value), lane)
        self.write(peer)
        return call, peer, call_id

    def call(self, service, method, value, **options):
        call, _, _ = self.start_call(service, method, value, **options)
        self.wait(lambda: call.is_over)
        return call.result()

    def end_call(self, call, value=None, error=None):
        call.is_over, call.value, call.error = True, value, error

    def on_answer(self, peer, kind, body):
        call = peer.calls.pop(struct.unpack('>Q', body[:8])[0], None)
        if not call:
            return
        if kind == REPLY:
            self.end_call(call, value=self.read_payload(peer, body[8], body[9:])[1])
            return
        code, _delivered, flags = struct.unpack('>HBB', body[8:12])
        value = self.read_payload(peer, flags, body[12:])[1] if body[12:] else None
        self.end_call(call, error=CallFailed(code, value))

    # ---- publications

    def subscribe(self, subject, on_value, queue=''):
        entry_id = self.announce(SUBSCRIPTION, subject, queue)
        self.subscriptions[entry_id] = on_value
        self.wait(lambda: entry_id in self.announced)

    def on_publication(self, peer, body):
        flags, target_count, subject_len = body[:3]
        at = 3 + 4 * target_count
        targets = struct.unpack(f'>{target_count}I', body[3:at])
        subject = body[at:at + subject_len].decode()
        _, value = self.read_payload(peer, flags, body[at + subject_len:])
        for target in targets:
            if target in self.subscriptions:
                self.subscriptions[target](subject, value)

    def publish(self, subject, value, lane=NORMAL):
        data, name = payload.encode(value), subject.encode()
        for peer in list(self.peers.values()):
            targets = [entry.entry_id for entry in peer.entries.values()
                       if entry.kind == SUBSCRIPTION and not entry.queue and matches(entry.name, subject)]
            for i in range(0, len(targets), 64):
                some = targets[i:i + 64]
                head = struct.pack(f'>BBB{len(some)}I', 0, len(some), len(name), *some)
                self.link_to(peer).send(PUB, head + name + data, lane)
                self.write(peer)

    # ---- life

    def end_late_calls(self):
        """Each side counts a deadline on its own; nothing is said about it."""
        for call in [call for call in self.deadlines if call.is_over or time.monotonic() >= call.ends_at]:
            self.deadlines.remove(call)
            if not call.is_over:
                call.forget()
                self.end_call(call, error=CallFailed(TIMEOUT))

    def turn(self, timeout):
        self.end_late_calls()
        if self.deadlines:
            timeout = max(0, min(timeout, min(call.ends_at for call in self.deadlines) - time.monotonic()))
        for key, _ in self.selector.select(timeout):
            if key.fileobj.fileno() >= 0:
                key.data()

    def wait(self, condition, limit_s=20):
        """Until it is so; an error after 20 s."""
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError('it did not happen')
            self.turn(0.5)

    def leave(self):
        self.tell_agent(leave={})
        for peer in self.peers.values():
            if peer.sock:
                peer.sock.close()
        self.agent.close()


def matches(pattern, subject):
    """NATS: '*' is one token, a final '>' one or more."""
    parts, tokens = pattern.split('.'), subject.split('.')
    for i, part in enumerate(parts):
        if part == '>' and i == len(parts) - 1:
            return len(tokens) > i
        if i >= len(tokens) or part not in ('*', tokens[i]):
            return False
    return len(parts) == len(tokens)
