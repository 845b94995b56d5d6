// Bytes from a stranger: whatever they are, decoding ends in a value or in ERR_WARREN_PROTOCOL, soon and in little memory.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { randomValue } from './values.mjs'
import { MeshError, Random, Wire, hex } from './support.mjs'

function refused(bytes, text) {
  assert.throws(() => new Wire().decode(Buffer.isBuffer(bytes) ? bytes : hex(bytes)), (err) => {
    assert.ok(err instanceof MeshError, err.stack)
    assert.equal(err.code, 'ERR_WARREN_PROTOCOL')
    assert.equal(err.message, `malformed message: ${text}`)
    return true
  })
}

test('a value that is cut off anywhere is refused', () => {
  const random = new Random(7)
  for (let i = 0; i < 300; i++) {
    const wire = new Wire()
    const bytes = wire.encode(randomValue(random))
    for (let len = 0; len < Math.min(bytes.length, 200); len++) {
      assert.throws(() => wire.decode(bytes.subarray(0, len)), { code: 'ERR_WARREN_PROTOCOL' }, bytes.subarray(0, len).toString('hex'))
    }
  }
})

test('bytes behind the value are refused', () => {
  refused('01 01', 'bytes follow the value')
  refused('91 01 c0', 'bytes follow the value')
})

test('a count larger than the message is refused before memory is taken', () => {
  refused('dd ffffffff 00', 'a count is larger than the message')
  refused('df 7fffffff 00', 'a count is larger than the message')
  refused('c7 05 03 dd 7fffffff', 'a count is larger than the message')
  refused('c6 ffffffff 00', 'the value is cut off')
  refused('db ffffffff 61', 'the value is cut off')
  refused('c9 ffffffff 07 01', 'the value is cut off')
})

test('counts that each fit, but not together, are refused', () => {
  const len = 1 << 20
  const bytes = Buffer.alloc(len, 0xc0)
  for (let level = 0; level < 60; level++) {
    bytes[level * 5] = 0xdd
    bytes.writeUInt32BE(len - 400, level * 5 + 1)
  }
  const before = process.memoryUsage().rss
  refused(bytes, 'a count is larger than the message')
  assert.ok(process.memoryUsage().rss - before < 64 << 20)
})

test('nesting deeper than 64 levels is refused', () => {
  assert.deepEqual(new Wire().decode(Buffer.concat([Buffer.alloc(63, 0x91), hex('90')])).length, 1)
  refused(Buffer.concat([Buffer.alloc(64, 0x91), hex('90')]), 'nested deeper than 64 levels')
  refused(Buffer.alloc(100_000, 0x91), 'nested deeper than 64 levels')
})

test('extensions of a wrong type, size or content are refused', () => {
  const nothing = 'an extension that has no meaning here'
  refused('d4 00 00', nothing)
  refused('d4 0e 00', nothing)
  refused('d4 7f 00', nothing)
  refused('d5 01 0000', nothing)
  refused('d4 0c 00', nothing) // a hole outside an array
  refused('d4 02 01', 'an extension of a wrong size')
  refused('d5 02 0000', 'an extension of a wrong size')
  refused('d6 06 00000000', 'an extension of a wrong size')
  refused('c7 03 03 91 01 c0', 'a Map with a key and no value')
  refused('c7 01 04 c0', 'an extension without its array')
  refused('c7 03 04 91 01 c0', 'an extension of a wrong size')
  refused('c7 02 04 92 01 02', 'an extension of a wrong size')
  refused('c7 01 05 00', 'a malformed BigInt')
  refused('c7 03 05 02 0101', 'a malformed BigInt')
  refused('c7 03 05 00 0001', 'a malformed BigInt')
  refused(Buffer.concat([hex('c8 0402 05 00'), Buffer.alloc(1025, 1)]), 'a malformed BigInt')
  refused('c7 00 07', 'a typed array of no known kind')
  refused('d4 07 00', 'a typed array of no known kind')
  refused('d4 07 0e', 'a typed array of no known kind')
  refused('d6 07 05 000000', 'a typed array of a wrong size')
  refused('d5 ff 0000', 'a timestamp of a wrong size')
  refused('d7 ff ffffffff 00000000', 'a timestamp out of range')
  refused('c7 0c ff 00000000 7fffffffffffffff', 'a timestamp out of range')
  refused('c7 04 08 92 a1 28 a0', 'a RegExp that does not compile here')
  refused('c7 04 08 92 a1 78 01', 'a malformed RegExp')
  refused('c7 05 08 92 a1 78 a1 7a', 'a RegExp that does not compile here')
  refused(Buffer.concat([hex('c8 138a 08 92 da 1384'), Buffer.alloc(5000, 0x78), hex('a0 c0 c0')]), 'a malformed RegExp')
  refused('c7 02 09 3a 2f', 'a malformed URL')
  refused('c7 02 0a 91 a0', 'a malformed Error')
  refused('c7 05 0a 94 a0 a0 a0 c0', 'a malformed Error')
  refused('c7 05 0a 94 01 a0 a0 80', 'a malformed Error')
  refused('c1', 'a byte that begins no value')
})

test('back-references to nothing are refused', () => {
  refused('d6 0b 00000000', 'a reference to nothing')
  refused('91 d6 0b 00000001', 'a reference to nothing')
  refused('91 d6 0b ffffffff', 'a reference to nothing')
  refused('91 d5 0b 0000', 'a reference to nothing')
  refused('c7 0a 0a 94 d6 0b 00000000 a0 a0 80', 'a reference to nothing') // the Error it stands in
})

test('a map with keys of several types is refused; keys of another type make a Map', () => {
  refused('82 a1 61 01 02 03', 'a map with keys of several types')
  assert.deepEqual(new Wire().decode(hex('82 01 a1 61 c0 02')), new Map([[1, 'a'], [null, 2]]))
})

test('invalid UTF-8 becomes U+FFFD', () => {
  assert.equal(new Wire().decode(hex('a3 61 ff 62')), 'a\ufffdb')
  assert.equal(new Wire().decode(Buffer.concat([hex('d9 64'), Buffer.alloc(100, 0xc3)])), '\ufffd'.repeat(100))
})

test('whole numbers of C that JavaScript cannot hold exactly come as BigInt', () => {
  assert.equal(new Wire().decode(hex('cf 0020000000000000')), 2n ** 53n)
  assert.equal(new Wire().decode(hex('d3 8000000000000000')), -(2n ** 63n))
})

// Memory that a value takes is what its bytes say: the worst is an object for each byte.
test('a value takes at most 100 times the memory of its message', () => {
  const random = new Random(Number(process.env.SEED ?? 20261126))
  const wire = new Wire()
  const fillers = ['c0', '90', '80', 'a0', 'a161', 'c400', '9190', '8101c0', '81a161c0', '81a139c0', '81a23136c0', '81a3313030c0', '81a431303030c0', 'cb4000000000000000', 'd4020a', 'c70003', 'c7010490', 'd6ff00000000']
  const ratio = (list) => {
    const len = list.reduce((sum, bytes) => sum + bytes.length, 0)
    return (memoryOf(() => list.map((bytes) => decoded(wire, bytes))) - SLACK) / len
  }
  for (const filler of fillers) {
    const count = Math.floor((256 << 10) / (filler.length / 2))
    const bytes = Buffer.concat([hex('dd 00000000'), Buffer.alloc(count * (filler.length / 2), hex(filler))])
    bytes.writeUInt32BE(count, 1)
    assert.ok(ratio([bytes]) < 100, `${filler}: ${ratio([bytes])}`)
  }
  const messages = Array.from({ length: 2000 }, () => nested(random, 6, 4096))
  assert.ok(ratio(messages) < 100, `nested: ${ratio(messages)}`)
})

// An object with the one key "1000" would be an array with room for 1,000 before it.
test('a number as a key takes the room of a key, in maps, errors and shapes', () => {
  const wire = new Wire()
  assert.ok(wire.peerShapes.add(Buffer.concat([Buffer.from([0, 0, 1, 4]), Buffer.from('1000')])))
  for (const [filler, first] of [['81a431303030c0', '1000'], ['c70b0a94a0a0a081a431303030c0', '1000'], ['92d5010000c0', '1000'], ['82a13101a431303030c0', '1']]) {
    const count = Math.floor((256 << 10) / (filler.length / 2))
    const bytes = Buffer.concat([hex('dd 00000000'), Buffer.alloc(count * (filler.length / 2), hex(filler))])
    bytes.writeUInt32BE(count, 1)
    let value
    const taken = memoryOf(() => (value = wire.decode(bytes)))
    assert.ok(taken < 100 * bytes.length, `${filler}: ${taken / bytes.length}`)
    assert.equal(Object.keys(value[count - 1])[0], first)
    assert.equal(value[count - 1][1000], null)
  }
})

const SLACK = 4 << 20
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const used = () => {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
function memoryOf(make) {
  const before = used()
  const value = make()
  const after = used()
  assert.notEqual(value, null) // and so it is still there
  return after - before
}
function decoded(wire, bytes) {
  try {
    return wire.decode(bytes)
  } catch (err) {
    assert.equal(err.code, 'ERR_WARREN_PROTOCOL', err.stack)
    return 'refused'
  }
}

// A well-formed message of any shape: containers with right counts, of about `room` bytes.
function nested(random, depth, room) {
  const parts = []
  const count = depth === 0 ? 0 : random.below(Math.min(16, Math.max(1, room >> 5)))
  if (depth === 0 || room < 8) return hex(random.pick(['c0', 'c3', '7f', '90', '80', 'a0', 'c400', 'd4020a', 'c7010490', 'cf0020000000000000']))
  const isMap = random.below(3) === 0
  for (let i = 0; i < count; i++) {
    if (isMap) parts.push(hex('a4'), Buffer.from(String(1000 + random.below(2) * 5000 + i)))
    parts.push(nested(random, depth - 1, Math.floor(room / Math.max(1, count))))
  }
  return Buffer.concat([Buffer.from([(isMap ? 0x80 : 0x90) | count]), ...parts])
}

test('200,000 damaged messages end in a value or in ERR_WARREN_PROTOCOL', () => {
  const random = new Random(Number(process.env.SEED ?? 20261123))
  const wire = new Wire()
  const valid = Array.from({ length: 400 }, () => wire.encode(randomValue(random))).filter((bytes) => bytes.length < 4096)
  const start = performance.now()
  for (let i = 0; i < 200_000; i++) {
    const bytes = damaged(random, random.pick(valid), random.pick(valid))
    try {
      wire.decode(bytes)
    } catch (err) {
      if (!(err instanceof MeshError) || err.code !== 'ERR_WARREN_PROTOCOL') {
        throw new Error(`${bytes.toString('hex')}: ${err.stack}`)
      }
    }
  }
  assert.ok(performance.now() - start < 120_000)
})

function damaged(random, bytes, other) {
  let copy = Buffer.from(bytes)
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(copy.length + 1)
    switch (random.below(6)) {
      case 0: copy[at] = random.below(256); break
      case 1: copy[at] ^= 1 << random.below(8); break
      case 2: copy = copy.subarray(0, at); break
      case 3: copy = Buffer.concat([copy.subarray(0, at), other.subarray(random.below(other.length))]); break
      case 4: copy[at] = random.pick([0xc1, 0xc7, 0xc9, 0xd4, 0xd5, 0xd6, 0xdb, 0xdd, 0xdf, 0xff]); break
      case 5: copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + random.below(8))]); break
    }
  }
  return copy
}
