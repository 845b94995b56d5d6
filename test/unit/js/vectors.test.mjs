// The MessagePack test suite (kawanet/msgpack-test-suite): each of its encodings is understood, and the first one
// listed, the shortest for its type, is what we write.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Wire, hex } from './support.mjs'

const suite = JSON.parse(readFileSync(new URL('./msgpack-test-suite.json', import.meta.url)))

// The value that an entry of the suite stands for, and whether we would write it so.
function meaning(entry) {
  if ('nil' in entry) return { value: null, isOurs: true }
  if ('binary' in entry) return { value: hex(entry.binary), isOurs: true }
  if ('timestamp' in entry) {
    const [seconds, nanos] = entry.timestamp
    return { value: new Date(seconds * 1000 + Math.floor(nanos / 1e6)), isOurs: nanos % 1e6 === 0 }
  }
  if ('bignum' in entry) {
    const big = BigInt(entry.bignum)
    const isSafe = Number.isSafeInteger(Number(big))
    return { value: isSafe ? Number(big) : big, isOurs: isSafe }
  }
  for (const kind of ['bool', 'number', 'string', 'array', 'map']) {
    if (kind in entry) return { value: entry[kind], isOurs: true }
  }
  throw new Error(`an entry of no known kind: ${JSON.stringify(entry)}`)
}

for (const [file, entries] of Object.entries(suite)) {
  if (file === '60.ext.yaml') continue
  test(`${file}: every encoding is understood, the first is ours`, () => {
    for (const entry of entries) {
      const { value, isOurs } = meaning(entry)
      for (const encoding of entry.msgpack) assert.deepEqual(new Wire().decode(hex(encoding)), value, encoding)
      if (isOurs) assert.deepEqual(new Wire().encode(value), hex(entry.msgpack[0]))
    }
  })
}

test('60.ext.yaml: its contents mean nothing as our extension types, and are refused', () => {
  for (const entry of suite['60.ext.yaml']) {
    for (const encoding of entry.msgpack) assert.throws(() => new Wire().decode(hex(encoding)), { code: 'ERR_WARREN_PROTOCOL' }, encoding)
  }
})
