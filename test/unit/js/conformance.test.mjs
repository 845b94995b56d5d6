// Two implementations, one format: what we write msgpack-c reads, and what it writes again is read here as the same
// value. test/unit/js/repack.c is the other side. `SEED=n` replays a run.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { randomValue } from './values.mjs'
import { Random, Wire, hex } from './support.mjs'

const seed = Number(process.env.SEED ?? 42)
const suite = JSON.parse(readFileSync(new URL('./msgpack-test-suite.json', import.meta.url)))

// What msgpack-c makes of each; null: it could not read it.
function repack(payloads) {
  const lengths = payloads.map((payload) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(payload.length)
    return head
  })
  const input = Buffer.concat(payloads.flatMap((payload, i) => [lengths[i], payload]))
  const { stdout, status, error } = spawnSync(process.env.REPACK, { input, maxBuffer: 1 << 30 })
  assert.equal(error, undefined)
  assert.equal(status, 0)
  const out = []
  for (let at = 0; at < stdout.length; ) {
    const len = stdout.readUInt32BE(at)
    out.push(len === 0 ? null : stdout.subarray(at + 4, at + 4 + len))
    at += 4 + len
  }
  assert.equal(out.length, payloads.length)
  return out
}

test('every encoding of the MessagePack test suite means the same to msgpack-c and to us', () => {
  const cases = Object.entries(suite).filter(([file]) => file !== '60.ext.yaml').flatMap(([, entries]) => entries.flatMap((entry) => entry.msgpack.map(hex)))
  const written = repack(cases)
  cases.forEach((bytes, i) => assert.deepEqual(new Wire().decode(written[i]), new Wire().decode(bytes), bytes.toString('hex')))
  assert.ok(cases.length > 200)
})

test('what we write of whole numbers, texts, bytes and lists msgpack-c writes in the very same bytes', () => {
  const random = new Random(seed)
  const texts = ['', 'a', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(255), 'x'.repeat(256), 'é'.repeat(40000)]
  const numbers = [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]
  const values = [
    ...texts, ...texts.map((text) => Buffer.from(text)), ...numbers, ...numbers.map((n) => -n - 1), 0.1, -1e300, null, true, false, [[], [1, [2]]], {}, { a: { b: ['c'] } },
    ...Array.from({ length: 500 }, () => Math.trunc((random.next() - 0.5) * 2 ** random.below(54))),
  ]
  const ours = values.map((value) => new Wire().encode(value))
  repack(ours).forEach((bytes, i) => assert.deepEqual(bytes, ours[i], String(values[i])))
})

test(`5,000 random values of every kind come back from msgpack-c as they were (seed ${seed})`, () => {
  const random = new Random(seed)
  const wire = new Wire()
  const values = Array.from({ length: 5000 }, () => randomValue(random))
  const written = repack(values.map((value) => Buffer.from(wire.encode(value))))
  values.forEach((value, i) => {
    assert.notEqual(written[i], null, `case ${i} could not be read`)
    assert.deepEqual(wire.decode(written[i]), value, `case ${i}`)
  })
  assert.ok(wire.shapes.count > 10, 'shapes were used')
})
