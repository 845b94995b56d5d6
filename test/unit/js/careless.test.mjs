// Values that lie, throw, change or are gone while they are encoded: what arrives is well-formed, or the sender is told
// with ERR_WARREN_NOT_CLONEABLE where it went wrong. The next message is none the worse.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomValue } from './values.mjs'
import { MeshError, Random, Wire, trip } from './support.mjs'

function refused(value, text) {
  const wire = new Wire()
  assert.throws(() => wire.encode(value), (err) => {
    assert.ok(err instanceof MeshError, err.stack)
    assert.equal(err.code, 'ERR_WARREN_NOT_CLONEABLE')
    assert.match(err.message, text)
    return true
  })
  assert.deepEqual(wire.trip({ next: [1] }), { next: [1] })
}

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function detached(view) {
  structuredClone(view, { transfer: [view.buffer ?? view] })
  return view
}

test('a Proxy is the object, array or error behind it', () => {
  assert.deepEqual(trip({ a: new Proxy({ x: 1 }, {}), b: new Proxy([1, 2], {}) }), { a: { x: 1 }, b: [1, 2] })
  const error = trip(new Proxy(new RangeError('far'), {}))
  assert.ok(error instanceof RangeError && error.message === 'far')
  assert.deepEqual(trip(new Proxy({}, { ownKeys: () => ['n'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 0 }), get: (_, key) => (key === 'n' ? 7 : undefined) })), { n: 7 })
})

test('a Proxy of what has hidden state is refused, and so is one that is revoked', () => {
  refused({ at: new Proxy(new Date(1), {}) }, /^cannot send \$\.at: a Date behind a Proxy/)
  refused([new Proxy(/x/, {})], /^cannot send \$\[0\]: a RegExp behind a Proxy/)
  refused({ bytes: new Proxy(Buffer.from('x'), {}) }, /^cannot send \$\.bytes: a TypedArray behind a Proxy/)
  refused({ map: new Proxy(new Map(), {}) }, /^cannot send \$\.map: a Map/)
  refused({ a: [revoked({})] }, /^cannot send \$\.a\[0\]: reading it threw TypeError: .*revoked/)
  refused(new Map([['k', revoked([])]]), /^cannot send \$\.get\("k"\): reading it threw TypeError: .*revoked/)
  refused({ a: revoked(() => {}) }, /^cannot send \$\.a: a function/)
})

test('what getters and traps throw is the cause, and the path says where', () => {
  const own = new RangeError('mine')
  const thrower = { get b() { throw own } }
  refused({ list: [0, thrower] }, /^cannot send \$\.list\[1\]\.b: reading it threw RangeError: mine$/)
  try {
    trip(thrower)
  } catch (err) {
    assert.equal(err.cause, own)
    assert.equal(err.delivered, 'no')
  }
  refused({ get a() { throw undefined } }, /^cannot send \$\.a: reading it threw undefined$/)
  refused({ get a() { throw Object.create(null) } }, /^cannot send \$\.a: reading it threw an object$/)
  refused([new Proxy({}, { getPrototypeOf() { throw own } })], /^cannot send \$\[0\]: reading it threw/)
  refused([new Proxy({}, { ownKeys() { throw own } })], /^cannot send \$\[0\]: reading it threw/)
  refused({ e: Object.defineProperty(new Error(), 'message', { get() { throw own } }) }, /^cannot send \$\.e: reading it threw/)
  refused({ a: new (class { get [Symbol.toStringTag]() { throw own } })() }, /^cannot send \$\.a: reading it threw/)
})

test('a value that changes while it is encoded is refused, or is what it was at the start', () => {
  refused({ a: { get b() { delete this.c; return 1 }, c: 2 } }, /^cannot send \$\.a: it changed while it was encoded$/)
  const map = new Map()
  map.set('k', { get x() { map.set('new', 1); return 1 } })
  refused({ map }, /^cannot send \$\.map: it changed/)
  const set = new Set()
  set.add({ get x() { set.add('new'); return 1 } })
  refused([set], /^cannot send \$\[0\]: it changed/)
  const grows = Object.defineProperty([1, 2], 0, { get() { grows.push(3); return 1 }, enumerable: true })
  assert.deepEqual(trip(grows), [1, 2])
  const shrinks = Object.defineProperty([1, 2, 3], 0, { get() { shrinks.length = 1; return 1 }, enumerable: true })
  assert.deepEqual(trip(shrinks), [1, , ,]) // eslint-disable-line no-sparse-arrays
  const bytes = new Uint8Array(8)
  refused({ get a() { detached(bytes); return 1 }, bytes }, /^cannot send \$\.bytes: reading it threw TypeError: .*detached/)
})

test('an array behind a Proxy must give a length', () => {
  for (const length of [NaN, -5, 1.5, 2 ** 53, 'abc', undefined]) {
    refused({ a: new Proxy([], { get: () => length }) }, /^cannot send \$\.a: an array behind a Proxy that gives no length$/)
  }
})

test('memory that was given away is refused; shared memory too, but a view of it is copied; memory that may grow is sent as it is', () => {
  refused({ b: detached(new ArrayBuffer(8)) }, /^cannot send \$\.b: reading it threw TypeError: .*detached/)
  refused({ b: detached(new Uint8Array(8)) }, /^cannot send \$\.b: reading it threw TypeError: .*detached/)
  refused({ b: detached(new DataView(new ArrayBuffer(8))) }, /^cannot send \$\.b: reading it threw TypeError/)
  refused({ b: new SharedArrayBuffer(8) }, /^cannot send \$\.b: a SharedArrayBuffer/)
  const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(7)
  const copy = trip(shared)
  assert.deepEqual([...copy], [7, 7])
  assert.ok(copy.buffer instanceof ArrayBuffer)
  const growing = new ArrayBuffer(8, { maxByteLength: 16 }) // an ordinary one in older versions of V8
  const view = new Uint8Array(growing)
  growing.resize?.(12)
  assert.equal(trip(view).length, view.length)
  assert.equal(trip({ growing }).growing.byteLength, growing.byteLength)
  growing.resize?.(4)
  assert.equal(trip(view).length, view.length)
})

test('own properties do not stand for what RegExp, URL, Date and Map know themselves', () => {
  assert.equal(String(trip(Object.defineProperty(/a/g, 'source', { value: { length: 1 } }))), '/a/g')
  assert.equal(trip(Object.defineProperty(new URL('http://a/'), 'href', { value: 5 })).href, 'http://a/')
  assert.equal(trip(Object.assign(new Date(5), { getTime: () => 'x' })).getTime(), 5)
  assert.deepEqual(trip(new (class extends Map { *entries() { throw new Error('never') } })([[1, 2]])), new Map([[1, 2]]))
})

test('toJSON is a method like others, keys that are symbols stay at home', () => {
  class Price { cents = 5; toJSON() { return 'never asked' } }
  assert.deepEqual(trip({ price: new Price(), [Symbol('s')]: 1 }), { price: { cents: 5 } })
  refused({ a: { toJSON: () => 1 } }, /^cannot send \$\.a\.toJSON: a function/)
})

test('huge sparse arrays and values without an end are refused soon', () => {
  const wire = new Wire()
  const sparse = []
  sparse[4294967294] = 1
  assert.throws(() => wire.encode(sparse, 1 << 20), { code: 'ERR_WARREN_TOO_LARGE' })
  const endless = new Map()
  const more = () => ({ get x() { endless.set({}, more()); return 1 } })
  endless.set('first', more())
  assert.throws(() => wire.encode(endless, 1 << 20), { code: /TOO_LARGE|NOT_CLONEABLE/ })
  let deep = {}
  for (let i = 0; i < 100_000; i++) deep = { deep }
  refused(deep, /nested deeper than 64 levels/)
  const itself = new Proxy({}, { getPrototypeOf: () => itself })
  refused({ itself }, /^cannot send \$\.itself: reading it threw/)
  refused({ error: Object.setPrototypeOf(new Error('x'), new Proxy({}, { getPrototypeOf() { throw new Error('no') } })) }, /^cannot send \$\.error: reading it threw/)
})

test('cycles through Map, Set and the cause of an Error arrive as cycles', () => {
  const map = new Map()
  map.set(map, new Set([map]))
  map.set('e', Object.assign(new Error('x', { cause: map }), { again: [map] }))
  const back = trip(map)
  assert.ok(back.get(back).has(back))
  assert.equal(back.get('e').cause, back)
  assert.equal(back.get('e').again[0], back)
})

test('keys named __proto__ are data at every place, and change no prototype', () => {
  const evil = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')
  const wire = new Wire()
  for (let i = 0; i < 20; i++) { // as a map, as a shape, and by a reader that was compiled
    const { object, map, error } = wire.trip({ object: evil, map: new Map([['__proto__', evil]]), error: Object.assign(new Error('x'), JSON.parse('{"__proto__": 1}')) })
    assert.ok(Object.hasOwn(object, '__proto__') && object.polluted === undefined)
    assert.equal(Object.getPrototypeOf(object), Object.prototype)
    assert.equal(Object.getPrototypeOf(error), Error.prototype)
    assert.equal(map.get('__proto__').polluted, undefined)
  }
  assert.equal({}.polluted, undefined)
})

// Random values with a hostile part at a random place.
const HOSTILE = [
  () => revoked({}), () => revoked([]), () => detached(new Uint8Array(4)), () => new SharedArrayBuffer(4), () => Symbol('s'), () => () => {},
  () => Promise.resolve(), () => new WeakMap(), () => new Proxy(new Date(), {}), () => new Proxy([], { get: () => -1 }), () => ({ get x() { throw null } }),
  () => ({ get x() { delete this.y; return 1 }, y: 1 }), () => new Proxy({}, { ownKeys: () => { throw new Error('trap') } }), () => Object.create(Map.prototype),
  () => Object.create(null, { x: { get() { throw Symbol('thrown') }, enumerable: true } }), () => Object(1n), () => globalThis,
]

test('5,000 values with something hostile in them end in ERR_WARREN_NOT_CLONEABLE, and spoil nothing', () => {
  const random = new Random(Number(process.env.SEED ?? 20261126))
  const wire = new Wire()
  for (let i = 0; i < 5000; i++) {
    const evil = random.pick(HOSTILE)()
    const wrapped = random.pick([
      (x) => ({ a: randomValue(random, 2), x }), (x) => [randomValue(random, 2), x], (x) => new Map([[randomValue(random, 1), x]]),
      (x) => new Map([[x, 1]]), (x) => new Set([x]), (x) => new Error('e', { cause: x }), (x) => Object.assign(new Error('e'), { x }),
    ])(evil)
    assert.throws(() => wire.encode(random.below(2) ? wrapped : [wrapped]), { code: 'ERR_WARREN_NOT_CLONEABLE', message: /^cannot send \$[.[]/ })
    const fine = randomValue(random, 3)
    assert.deepEqual(wire.trip(fine), fine)
  }
})
