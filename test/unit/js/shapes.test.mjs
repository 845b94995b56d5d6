// Shapes: when they are made, what they look like on the wire, and what a receiver refuses.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { OwnShapes, PeerShapes, Wire, hex } from './support.mjs'

const body = (id, ...keys) => Buffer.concat([Buffer.from([id >> 8, id, keys.length]), ...keys.map((key) => Buffer.concat([Buffer.from([Buffer.byteLength(key)]), Buffer.from(key)]))])

test('keys seen a second time become a shape, told before the message that uses it', () => {
  const wire = new Wire()
  const first = wire.encoder.encode({ id: 1, n: 2 }, 0, 100)
  assert.equal(wire.shapes.hasFresh, false)
  assert.deepEqual(wire.memory.subarray(0, first), hex('82 a2 6964 01 a1 6e 02'))
  const second = wire.encoder.encode({ id: 1, n: 2 }, 0, 100)
  assert.deepEqual(wire.shapes.takeFresh(), [body(0, 'id', 'n')])
  assert.deepEqual(wire.memory.subarray(0, second), hex('93 d5 01 0000 01 02'))
})

test('the same keys in another order are another shape; the order comes back', () => {
  const wire = new Wire()
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(Object.keys(wire.trip({ a: 1, b: 2 })), ['a', 'b'])
    assert.deepEqual(Object.keys(wire.trip({ b: 1, a: 2 })), ['b', 'a'])
  }
  assert.equal(wire.shapes.count, 2)
})

test('an object whose keys begin another object\'s keeps its own shape', () => {
  const wire = new Wire()
  for (let i = 0; i < 20; i++) {
    for (const value of [{ a: 1 }, { a: 1, b: 2 }, { a: 1, b: 2, c: 3 }, {}]) assert.deepEqual(wire.trip(value), value)
  }
})

test('32 keys make a shape, 33 do not; keys over 255 bytes, or 4,096 in all, do not', () => {
  const wire = new Wire()
  const withKeys = (count, len) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`.padEnd(len, 'x'), i]))
  for (const [value, count] of [[withKeys(33, 3), 0], [withKeys(1, 256), 0], [withKeys(20, 250), 0], [withKeys(15, 250), 1], [withKeys(32, 3), 2], [withKeys(1, 255), 3]]) {
    for (let i = 0; i < 20; i++) assert.deepEqual(wire.trip(value), value)
    assert.equal(wire.shapes.count, count)
  }
})

test('objects used as dictionaries do not take more than the 1,024 numbers, nor memory for ever', () => {
  const wire = new Wire()
  for (let i = 0; i < 3000; i++) {
    for (let twice = 0; twice < 2; twice++) assert.deepEqual(wire.trip({ [`key${i}`]: i }), { [`key${i}`]: i })
  }
  assert.equal(wire.shapes.count, 512)
  for (let i = 0; i < 30000; i++) wire.encode({ [`other${i}`]: i, x: 1 })
  for (let i = 0; i < 100; i++) wire.trip({ late: 1, comer: 2 })
  assert.equal(wire.shapes.count, 513, 'what is sent often still gets a number')
  assert.deepEqual(wire.encode({ key5: 1 }), hex('92 d5 01 0005 01'), 'old shapes outlive the pruning')
})

test('a receiver takes shapes in order and refuses malformed ones', () => {
  const shapes = new PeerShapes()
  assert.ok(shapes.add(body(0, 'a', '')))
  assert.deepEqual(shapes.get(0).keys, ['a', ''])
  const cut = body(1, 'abc')
  assert.ok(shapes.add(body(0, 'a', '')), 'after a new link they are said again')
  const wrong = [body(0, 'a'), body(0, 'a', 'b'), body(2, 'a'), body(1), Buffer.alloc(0), cut.subarray(0, 5), Buffer.concat([cut, hex('00')]), body(1, ...Array(33).fill('k'))]
  for (const bytes of wrong) assert.equal(shapes.add(bytes), false)
  assert.ok(shapes.add(cut))
  for (let id = 2; id < 1024; id++) assert.ok(shapes.add(body(id, 'a')))
  assert.equal(shapes.add(body(1024, 'a')), false)
})

test('an unknown shape, and one with another number of values, are refused', () => {
  const wire = new Wire()
  wire.peerShapes.add(body(0, 'a', 'b'))
  assert.deepEqual(wire.decode(hex('93 d5 01 0000 01 02')), { a: 1, b: 2 })
  for (const bytes of ['93 d5 01 0001 01 02', '92 d5 01 0000 01', '94 d5 01 0000 01 02 03', '92 01 d5 01 0000']) {
    assert.throws(() => wire.decode(hex(bytes)), { code: 'ERR_WARREN_PROTOCOL' })
  }
})

test('keys from outside cannot become code', () => {
  const wire = new Wire()
  const keys = ['"}; globalThis.broken = 1; ({"', '\u2028', '${globalThis.broken = 1}', '__proto__', 'd', '\\"', "'"]
  wire.peerShapes.add(body(0, ...keys))
  for (let i = 0; i < 20; i++) {
    const back = wire.decode(hex(`98 d5 01 0000 ${'2a'.repeat(keys.length)}`))
    assert.deepEqual(Object.keys(back), keys)
    for (const key of keys) assert.equal(Object.getOwnPropertyDescriptor(back, key).value, 42)
  }
  assert.equal(globalThis.broken, undefined)
})

test('where code generation from strings is forbidden, shapes work all the same', () => {
  const program = `
    import { Wire } from ${JSON.stringify(new URL('./support.mjs', import.meta.url).href)}
    const wire = new Wire()
    for (let i = 0; i < 20; i++) if (wire.trip({ a: i, b: [{ c: i }] }).b[0].c !== i) process.exit(1)
    process.exit(wire.shapes.count === 2 ? 0 : 2)`
  const { status, stderr } = spawnSync(process.execPath, ['--disallow-code-generation-from-strings', '--input-type=module', '-e', program], { cwd: fileURLToPath(new URL('.', import.meta.url)) })
  assert.equal(status, 0, String(stderr))
})

test('a sender may be told of its shapes one message at a time', () => {
  const shapes = new OwnShapes()
  const node = shapes.step(shapes.root, 'only')
  assert.equal(shapes.sighted(node), -1)
  assert.equal(shapes.sighted(node), 0)
  assert.deepEqual(shapes.takeFresh(), [body(0, 'only')])
})
