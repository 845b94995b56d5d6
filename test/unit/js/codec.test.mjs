// What survives a message, row by row, and what is refused, with its path.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import vm from 'node:vm'
import { MeshError, Wire, hex, trip } from './support.mjs'

const same = (value) => assert.deepEqual(trip(value), value)

function refused(value, message) {
  assert.throws(() => trip(value), (err) => {
    assert.ok(err instanceof MeshError)
    assert.equal(err.code, 'ERR_WARREN_NOT_CLONEABLE')
    assert.equal(err.delivered, 'no')
    assert.equal(err.message, message)
    return true
  })
}

test('numbers of every width come back as they were', () => {
  const edges = [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, 0.1, 0.5, 5e-324]
  for (const n of edges) {
    same(n)
    same(-n)
    same(n - 1)
    same(-n - 1)
  }
  for (const n of [NaN, -0, Infinity, -Infinity]) assert.ok(Object.is(trip(n), n), String(n))
})

test('a property that is undefined is still there', () => {
  const back = trip({ a: undefined, b: [undefined, null] })
  assert.ok('a' in back)
  assert.deepEqual(back, { a: undefined, b: [undefined, null] })
  assert.equal(trip(undefined), undefined)
})

test('the holes of a sparse array stay holes', () => {
  // eslint-disable-next-line no-sparse-arrays
  const back = trip([, 1, , undefined, ,])
  assert.equal(back.length, 5)
  assert.deepEqual(Object.keys(back), ['1', '3'])
})

test('a cycle comes back as a cycle', () => {
  const value = { name: 'me', list: [] }
  value.self = value
  value.list.push(value, value.list)
  const back = trip(value)
  assert.equal(back.self, back)
  assert.equal(back.list[0], back)
  assert.equal(back.list[1], back.list)
})

test('a cycle through Map, Set, Error and a shape comes back as one', () => {
  const wire = new Wire()
  const make = () => {
    const map = new Map()
    const set = new Set([map])
    const error = new Error('x', { cause: set })
    const object = { map, error }
    map.set('object', object).set(map, map)
    return object
  }
  for (let i = 0; i < 20; i++) {
    const back = wire.trip(make())
    assert.equal(back.map.get('object'), back)
    assert.equal(back.map.get(back.map), back.map)
    assert.ok(back.error.cause.has(back.map))
  }
})

test('an object that is there twice is one object at the other end, also behind many others', () => {
  const shared = { n: 1 }
  const many = Array.from({ length: 100 }, (_, i) => ({ i }))
  const back = trip([shared, shared, ...many, many[70], many[3], shared])
  assert.equal(back[0], back[1])
  assert.equal(back.at(-1), back[0])
  assert.equal(back.at(-2), back[5])
  assert.equal(back.at(-3), back[72])
})

test('BigInt of any size up to 1,024 bytes comes back', () => {
  for (const n of [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n, 2n ** 8192n - 1n, -(2n ** 8192n) + 1n]) same(n)
  refused({ n: 2n ** 8192n }, 'cannot send $.n: a BigInt of more than 1024 bytes')
})

test('a Date comes back, far ones and invalid ones too', () => {
  for (const ms of [0, 1, -1, 1514862245678, 2 ** 32 * 1000, 2 ** 34 * 1000, 2 ** 34 * 1000 - 1, -62167219200000, 8.64e15, -8.64e15]) same(new Date(ms))
  assert.ok(Number.isNaN(trip(new Date(NaN)).getTime()))
})

test('Map and Set keep their order and any key', () => {
  same(new Map([['a', 1], [2, 'b'], [null, undefined], [{ k: 1 }, new Map()]]))
  same(new Set([1, 'a', null, undefined, new Set([1])]))
  same(new Map(Array.from({ length: 500 }, (_, i) => [i, { i }])))
  same(new Set(Array.from({ length: 70000 }, (_, i) => i)))
})

test('every typed array, DataView and ArrayBuffer comes back with its bytes', () => {
  const bytes = new Uint8Array(Array.from({ length: 48 }, (_, i) => i * 5))
  const classes = [
    Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array, BigInt64Array, BigUint64Array,
  ]
  for (const viewClass of classes) {
    const back = trip(new viewClass(bytes.buffer, 8, 2))
    assert.equal(back.constructor, viewClass)
    assert.deepEqual(back, new viewClass(bytes.buffer, 8, 2))
    same(new viewClass(0))
  }
  const view = trip(new DataView(bytes.buffer, 3, 5))
  assert.ok(view instanceof DataView)
  assert.deepEqual(new Uint8Array(view.buffer), bytes.slice(3, 8))
  assert.deepEqual(trip(bytes.buffer), bytes.buffer)
})

test('a Buffer stays a Buffer, and a Uint8Array stays one', () => {
  assert.ok(Buffer.isBuffer(trip(Buffer.from('abc'))))
  assert.ok(!Buffer.isBuffer(trip(new Uint8Array(3))))
  for (const len of [0, 255, 256, 65535, 65536, 1 << 20]) same(Buffer.alloc(len, 7))
})

test('what was received does not change when the memory is used again', () => {
  const wire = new Wire()
  const back = wire.trip([Buffer.from('abc'), new Uint8Array([1]), 'text'])
  wire.memory.fill(0xff)
  assert.deepEqual(back, [Buffer.from('abc'), new Uint8Array([1]), 'text'])
})

test('RegExp keeps source and flags', () => {
  const back = trip(/a\/(b)+\n/giu)
  assert.equal(String(back), '/a\\/(b)+\\n/giu')
  refused([new RegExp('a'.repeat(5000))], 'cannot send $[0]: a RegExp of more than 4096 characters')
})

test('an Error keeps class, message, stack, code, cause and own properties', () => {
  const error = Object.assign(new TypeError('no', { cause: new RangeError('deep') }), { code: 'E_NO', details: { at: new Date(5) } })
  const back = trip(error)
  assert.ok(back instanceof TypeError)
  assert.equal(back.name, 'TypeError')
  assert.equal(back.message, 'no')
  assert.equal(back.stack, error.stack)
  assert.equal(back.code, 'E_NO')
  assert.deepEqual(back.details, { at: new Date(5) })
  assert.ok(back.cause instanceof RangeError)
  assert.deepEqual(Object.keys(back), ['code', 'details'])
  assert.ok(!Object.hasOwn(trip(new Error()), 'message'))
})

test('an Error of a class of the user keeps its name and arrives as the nearest built-in class', () => {
  class NotFound extends RangeError {
    name = 'NotFound'
  }
  const back = trip(new NotFound('where'))
  assert.ok(back instanceof RangeError)
  assert.equal(back.name, 'NotFound')
  assert.equal(String(back), 'NotFound: where')
})

test('AggregateError keeps its errors', () => {
  const back = trip(new AggregateError([new TypeError('a'), 2], 'both'))
  assert.ok(back instanceof AggregateError)
  assert.equal(back.message, 'both')
  assert.ok(back.errors[0] instanceof TypeError)
  assert.equal(back.errors[1], 2)
})

test('a DOMException stays one, with its name and code', () => {
  const back = trip(new DOMException('stop', 'AbortError'))
  assert.ok(back instanceof DOMException)
  assert.equal(back.name, 'AbortError')
  assert.equal(back.message, 'stop')
  assert.equal(back.code, DOMException.ABORT_ERR)
})

test('a URL comes back as a URL', () => {
  const back = trip({ at: new URL('https://user@example.org:8080/ü?q=1#f') })
  assert.ok(back.at instanceof URL)
  assert.equal(back.at.href, 'https://user@example.org:8080/%C3%BC?q=1#f')
})

test('an object of a class arrives as a plain object of its own properties; toJSON is not asked', () => {
  class Point {
    #hidden = 1
    x = 1
    y = 2
    toJSON() {
      return 'no'
    }
  }
  for (const back of [trip(new Point()), trip([new Point(), new Point()])[1]]) {
    assert.equal(Object.getPrototypeOf(back), Object.prototype)
    assert.deepEqual(back, { x: 1, y: 2 })
  }
  function Old() {
    this.own = 1
  }
  Old.prototype.inherited = 2
  assert.deepEqual(trip(new Old()), { own: 1 })
})

test('an object without prototype, and objects of another realm, arrive as their ordinary kind', () => {
  assert.deepEqual(trip(Object.assign(Object.create(null), { a: 1 })), { a: 1 })
  const foreign = vm.runInNewContext('({ list: [1], map: new Map([[1, 2]]), at: new Date(7), bytes: new Uint8Array(2), error: new TypeError("t"), re: /x/ })')
  const back = trip(foreign)
  assert.deepEqual(back.list, [1])
  assert.deepEqual(back.map, new Map([[1, 2]]))
  assert.deepEqual(back.at, new Date(7))
  assert.deepEqual(back.bytes, new Uint8Array(2))
  assert.ok(back.error instanceof TypeError)
  assert.deepEqual(back.re, /x/)
})

test('keys that mean something to JavaScript are ordinary keys', () => {
  const wire = new Wire()
  for (let i = 0; i < 20; i++) {
    const value = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "": 3, "a\\u2028\\"b": 4, "7": 5, "\\\\": 6, "${x}": 7}')
    const back = wire.trip(value)
    assert.deepEqual(Object.keys(back), Object.keys(value))
    assert.ok(Object.hasOwn(back, '__proto__'))
    assert.equal(Object.getPrototypeOf(back), Object.prototype)
    assert.deepEqual(back, value)
  }
})

test('texts of every length and script come back', () => {
  for (const unit of ['a', 'é', '漢', '🍺', '\0', '\ud83c\udf7a']) {
    for (const len of [0, 1, 2, 7, 8, 15, 16, 31, 32, 33, 63, 64, 85, 86, 127, 128, 255, 256, 21845, 21846, 65535, 65536]) same(unit.repeat(len))
    same(`${'x'.repeat(30)}${unit}`)
  }
  assert.equal(trip('\ud800x'), '\ufffdx')
  assert.equal(trip(`${'y'.repeat(40)}\udc00`), `${'y'.repeat(40)}\ufffd`)
})

test('what cannot be sent is named with its path', () => {
  refused({ user: { onChange() {} } }, 'cannot send $.user.onChange: a function')
  refused({ list: [1, 2, 3, () => 1] }, 'cannot send $.list[3]: a function')
  refused({ map: new Map([['k', Symbol('s')]]) }, 'cannot send $.map.get("k"): a symbol')
  refused(new Map([[1, 1], [Symbol('s'), 1]]), 'cannot send $.keys()[1]: a symbol')
  refused(new Set([1, Promise.resolve()]), 'cannot send $.values()[1]: a Promise')
  refused({ 'two words': { 'a"b': class {} } }, 'cannot send $["two words"]["a\\"b"]: a function')
  refused(Object.assign(new Error('e'), { request: { socket: () => 1 } }), 'cannot send $.request.socket: a function')
  refused(new Error('e', { cause: new WeakMap() }), 'cannot send $.cause: a WeakMap')
  refused(() => 1, 'cannot send $: a function')
})

test('objects whose state is hidden are refused, not sent empty', () => {
  const hidden = {
    'a Promise': Promise.resolve(),
    'a WeakMap': new WeakMap(),
    'a WeakSet': new WeakSet(),
    'a WeakRef': new WeakRef({}),
    'a SharedArrayBuffer': new SharedArrayBuffer(8),
    'a Blob': new Blob(['x']),
    'a Headers': new Headers({ a: 'b' }),
    'an AbortSignal': new AbortController().signal,
    'an AbortController': new AbortController(),
    'a URLSearchParams': new URLSearchParams('a=b'),
    'a Generator': (function* () {})(),
    'a String object': Object('text'),
    'a ReadableStream': new ReadableStream(),
    'an EventTarget': new EventTarget(),
  }
  for (const [what, value] of Object.entries(hidden)) refused({ value }, `cannot send $.value: ${what}`)
})

test('enumerable properties on Object.prototype do not travel', () => {
  Object.defineProperty(Object.prototype, 'polluted', { value: 1, enumerable: true, configurable: true })
  try {
    const bytes = new Wire().encode({ a: 1 })
    assert.deepEqual(bytes, hex('81 a1 61 01'))
  } finally {
    delete Object.prototype.polluted
  }
})

test('64 levels pass, 65 are refused', () => {
  const nested = (levels) => (levels === 0 ? 1 : [nested(levels - 1)])
  same(nested(64))
  refused(nested(65), `cannot send $${'[0]'.repeat(64)}: nested deeper than 64 levels`)
})

test('a message over its limit is refused, whatever it is made of', () => {
  const values = [
    'x'.repeat(200), 'é'.repeat(90), 'ab漢'.repeat(30), Buffer.alloc(200), new Float64Array(20), new Array(200), Array(60).fill(1000),
    Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, i])), new Map([[1, 'x'.repeat(98)]]), [1.5e300, 'x'.repeat(91)], new Array(1e9),
  ]
  for (const value of values) {
    assert.throws(() => new Wire().encode(value, 100), { code: 'ERR_WARREN_TOO_LARGE', message: /^the message is larger than 100 bytes: / })
  }
  assert.equal(new Wire().encode('x'.repeat(98), 100).length, 100)
  assert.equal(new Wire().encode('é'.repeat(49), 100).length, 100)
  assert.throws(() => new Wire().encode('x'.repeat(99), 100), { code: 'ERR_WARREN_TOO_LARGE' })
  assert.throws(() => new Wire().encode(`${'é'.repeat(49)}x`, 100), { code: 'ERR_WARREN_TOO_LARGE' })
})
