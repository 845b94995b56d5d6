"""Payloads: MessagePack and the extension types of proto/wire.md, written from that text.

None, bool, int, float, str, bytes, list and dict (keys are strings) are themselves; the rest are the classes below."""
import struct
from dataclasses import dataclass, field

DEPTH_MAX = 64


class WireError(Exception):
    pass


class Singleton:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


UNDEFINED, HOLE = Singleton('undefined'), Singleton('hole')


@dataclass
class Date:
    seconds: int
    nanoseconds: int = 0


@dataclass
class InvalidDate:
    pass


@dataclass
class BigInt:
    value: int


@dataclass
class Map:
    pairs: list = field(default_factory=list)


@dataclass
class Set:
    values: list = field(default_factory=list)


@dataclass
class TypedArray:
    kind: int
    data: bytes


@dataclass
class RegExp:
    source: str
    flags: str


@dataclass
class Url:
    text: str


@dataclass
class JsError:
    name: str
    message: str
    stack: str = ''
    properties: dict = field(default_factory=dict)


# ---- writing


class Encoder:
    def __init__(self):
        self.out, self.seen = bytearray(), []

    def head(self, size, small, small_max, codes):
        """The head of a thing of `size`: in the byte itself, or after a code by 1, 2 or 4 bytes."""
        if small is not None and size <= small_max:
            self.out.append(small | size)
            return
        for code, width in zip(codes, (1, 2, 4)):
            if code is not None and size < 1 << 8 * width:
                self.out.append(code)
                self.out += size.to_bytes(width, 'big')
                return
        raise WireError('too long')

    def ext(self, kind, data):
        fixed = {1: 0xd4, 2: 0xd5, 4: 0xd6, 8: 0xd7, 16: 0xd8}.get(len(data))
        if fixed:
            self.out.append(fixed)
        else:
            self.head(len(data), None, 0, (0xc7, 0xc8, 0xc9))
        self.out += struct.pack('b', kind) + data

    def nested(self, kind, value):
        """An extension whose content is one more value; objects go on being counted."""
        outer, self.out = self.out, bytearray()
        value()
        data, self.out = bytes(self.out), outer
        self.ext(kind, data)

    def integer(self, value):
        if 0 <= value < 128 or -32 <= value < 0:
            self.out += struct.pack('b' if value < 0 else 'B', value)
            return
        for code, form in ((0xcc, 'B'), (0xcd, '>H'), (0xce, '>I'), (0xcf, '>Q')) if value >= 0 else (
                (0xd0, 'b'), (0xd1, '>h'), (0xd2, '>i'), (0xd3, '>q')):
            if struct.calcsize(form) == 8 or self.fits(form, value):
                self.out.append(code)
                self.out += struct.pack(form, value)
                return

    @staticmethod
    def fits(form, value):
        try:
            struct.pack(form, value)
            return True
        except struct.error:
            return False

    def big_int(self, value):
        if -2**63 <= value < 2**63:
            self.ext(6, struct.pack('>q', value))
            return
        magnitude = abs(value)
        self.ext(5, bytes([value < 0]) + magnitude.to_bytes((magnitude.bit_length() + 7) // 8, 'big'))

    def date(self, date):
        if date.nanoseconds == 0 and 0 <= date.seconds < 2**32:
            self.ext(-1, struct.pack('>I', date.seconds))
        elif 0 <= date.seconds < 2**34:
            self.ext(-1, struct.pack('>Q', date.nanoseconds << 34 | date.seconds))
        else:
            self.ext(-1, struct.pack('>Iq', date.nanoseconds, date.seconds))

    def text(self, value):
        data = value.encode()
        self.head(len(data), 0xa0, 31, (0xd9, 0xda, 0xdb))
        self.out += data

    def array(self, values):
        self.head(len(values), 0x90, 15, (None, 0xdc, 0xdd))
        for value in values:
            self.value(value)

    def map(self, pairs):
        self.head(len(pairs), 0x80, 15, (None, 0xde, 0xdf))
        for key, value in pairs:
            self.value(key)
            self.value(value)

    def is_repeated(self, value):
        for i, one in enumerate(self.seen):
            if one is value:
                self.ext(11, struct.pack('>I', i))
                return True
        self.seen.append(value)
        return False

    def object(self, value):
        """What is counted for back-references."""
        if self.is_repeated(value):
            return
        if isinstance(value, list):
            self.array(value)
        elif isinstance(value, dict):
            self.map(value.items())
        elif isinstance(value, Map):
            self.nested(3, lambda: self.array([part for pair in value.pairs for part in pair]))
        elif isinstance(value, Set):
            self.nested(4, lambda: self.array(value.values))
        else:
            self.nested(10, lambda: self.error(value))

    def error(self, value):
        self.out.append(0x94)
        for part in (value.name, value.message, value.stack):
            self.value(part)
        self.map(value.properties.items())

    def value(self, value):
        if value is None:
            self.out.append(0xc0)
        elif isinstance(value, bool):
            self.out.append(0xc3 if value else 0xc2)
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, float):
            self.out += struct.pack('>Bd', 0xcb, value)
        elif isinstance(value, str):
            self.text(value)
        elif isinstance(value, bytes):
            self.head(len(value), None, 0, (0xc4, 0xc5, 0xc6))
            self.out += value
        elif isinstance(value, (list, dict, Map, Set, JsError)):
            self.object(value)
        else:
            self.extension(value)

    def extension(self, value):
        if value is UNDEFINED:
            self.ext(2, b'\0')
        elif value is HOLE:
            self.ext(12, b'\0')
        elif isinstance(value, InvalidDate):
            self.ext(13, b'\0')
        elif isinstance(value, Date):
            self.date(value)
        elif isinstance(value, BigInt):
            self.big_int(value.value)
        elif isinstance(value, TypedArray):
            self.ext(7, bytes([value.kind]) + value.data)
        elif isinstance(value, RegExp):
            self.nested(8, lambda: self.array([value.source, value.flags]))
        elif isinstance(value, Url):
            self.ext(9, value.text.encode())
        else:
            raise WireError(f'{type(value).__name__} has no form on the wire')


def encode(value):
    encoder = Encoder()
    encoder.value(value)
    return bytes(encoder.out)


# ---- reading


class Decoder:
    def __init__(self, data, shapes=()):
        self.data, self.at, self.end, self.shapes, self.seen = data, 0, len(data), shapes, []

    def take(self, count):
        if self.end - self.at < count:
            raise WireError('a value ends in its midst')
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def count(self, form):
        count = self.number(form)
        if count > self.end - self.at:
            raise WireError('more elements than bytes')
        return count

    def counted(self, value):
        self.seen.append(value)
        return value

    def value(self, depth=0):
        if depth > DEPTH_MAX:
            raise WireError('too deep')
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code < 0x90:
            return self.map(code & 15, depth)
        if code < 0xa0:
            return self.array(code & 15, depth)
        if code < 0xc0:
            return self.take(code & 31).decode()
        if code >= 0xe0:
            return code - 256
        return self.coded(code, depth)

    def coded(self, code, depth):
        numbers = {0xca: '>f', 0xcb: '>d', 0xcc: 'B', 0xcd: '>H', 0xce: '>I', 0xcf: '>Q', 0xd0: 'b', 0xd1: '>h',
                   0xd2: '>i', 0xd3: '>q'}
        if code in numbers:
            return self.number(numbers[code])
        if code in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[code]
        if code in (0xc4, 0xc5, 0xc6):
            return self.take(self.number(('B', '>H', '>I')[code - 0xc4]))
        if code in (0xd9, 0xda, 0xdb):
            return self.take(self.number(('B', '>H', '>I')[code - 0xd9])).decode()
        if code in (0xdc, 0xdd):
            return self.array(self.count('>H' if code == 0xdc else '>I'), depth)
        if code in (0xde, 0xdf):
            return self.map(self.count('>H' if code == 0xde else '>I'), depth)
        if 0xd4 <= code <= 0xd8:
            return self.ext(1 << code - 0xd4, depth)
        if 0xc7 <= code <= 0xc9:
            return self.ext(self.number(('B', '>H', '>I')[code - 0xc7]), depth)
        raise WireError('0xc1')

    def array(self, count, depth):
        shape = self.shape_at(count)
        if shape is not None:
            found = self.counted({})
            for key in shape:
                found[key] = self.value(depth + 1)
            return found
        found = self.counted([])
        for _ in range(count):
            found.append(self.value(depth + 1))
        return found

    def shape_at(self, count):
        """Of an array whose first element is ext 1; its keys are consumed."""
        if count == 0 or self.data[self.at:self.at + 2] != b'\xd5\x01':
            return None
        self.take(2)
        shape = self.shapes[self.number('>H')]
        if len(shape) != count - 1:
            raise WireError('another number of values than keys')
        return shape

    def map(self, count, depth):
        is_object, found = True, self.counted({})
        for i in range(count):
            key = self.value(depth + 1)
            if i == 0 and not isinstance(key, str):
                is_object = False
                found = self.seen[-1] = Map()
            value = self.value(depth + 1)
            if is_object:
                found[key] = value
            else:
                found.pairs.append((key, value))
        return found

    def inside(self, end, depth, read):
        outer, self.end = self.end, end
        found = read(depth)
        if self.at != end:
            raise WireError('bytes after the value of an extension')
        self.end = outer
        return found

    def plain_array(self, depth):
        """The array inside of an extension, which is no object of its own."""
        code = self.take(1)[0]
        count = code & 15 if code & 0xf0 == 0x90 else self.count({0xdc: '>H', 0xdd: '>I'}[code])
        return [self.value(depth + 1) for _ in range(count)]

    def ext(self, length, depth):
        kind = self.number('b')
        end = self.at + length
        if end > self.end:
            raise WireError('an extension ends in its midst')
        nested = {3: self.ext_map, 4: self.ext_set, 8: self.ext_regexp, 10: self.ext_error}
        if kind in nested:
            return self.inside(end, depth, nested[kind])
        return self.plain_ext(kind, self.take(length))

    def plain_ext(self, kind, data):
        if kind == -1:
            return self.date(data)
        if kind in (2, 12, 13):
            return {2: UNDEFINED, 12: HOLE, 13: InvalidDate()}[kind]
        if kind == 5:
            magnitude = int.from_bytes(data[1:], 'big')
            return BigInt(-magnitude if data[0] else magnitude)
        if kind == 6:
            return BigInt(struct.unpack('>q', data)[0])
        if kind == 7:
            return TypedArray(data[0], data[1:])
        if kind == 9:
            return Url(data.decode())
        if kind == 11:
            return self.seen[struct.unpack('>I', data)[0]]
        raise WireError(f'extension {kind}')

    @staticmethod
    def date(data):
        if len(data) == 4:
            return Date(struct.unpack('>I', data)[0])
        if len(data) == 8:
            both = struct.unpack('>Q', data)[0]
            return Date(both & (1 << 34) - 1, both >> 34)
        nanoseconds, seconds = struct.unpack('>Iq', data)
        return Date(seconds, nanoseconds)

    def ext_map(self, depth):
        found = self.counted(Map())
        flat = self.plain_array(depth)
        found.pairs += zip(flat[::2], flat[1::2])
        return found

    def ext_set(self, depth):
        found = self.counted(Set())
        found.values += self.plain_array(depth)
        return found

    def ext_regexp(self, depth):
        return RegExp(*self.plain_array(depth))

    def ext_error(self, depth):
        found = self.counted(JsError('', ''))
        found.name, found.message, found.stack, found.properties = self.plain_array(depth)
        return found


def decode(data, shapes=()):
    decoder = Decoder(data, shapes)
    found = decoder.value()
    if decoder.at != len(data):
        raise WireError('bytes after the value')
    return found
