// Small messages that promise much: each is refused before memory is taken for what it promises. The times and bytes
// are printed; the memory is asserted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import v8 from 'node:v8'
import vm from 'node:vm'
import { Wire } from './support.mjs'

v8.setFlagsFromString('--expose-gc')
const gc = vm.runInNewContext('gc')

const MEMORY_MAX = 1 << 20
const LEN = 72 << 10
const repeated = (unit, len = LEN) => Buffer.alloc(len, Buffer.from(unit, 'hex'))
const after = (head, rest) => Buffer.concat([Buffer.from(head, 'hex'), rest])

// An extension of which each holds the next, as deep as `levels`.
function nested(type, levels) {
  let content = Buffer.from('c0', 'hex')
  for (let i = 0; i < levels; i++) {
    const head = Buffer.from('c900000000' + type + 'dd00000001', 'hex')
    head.writeUInt32BE(content.length + 5, 1)
    content = Buffer.concat([head, content])
  }
  return content
}

const BOMBS = {
  'lists in lists, a byte each (msgpackr #200)': repeated('91'),
  'lists of 15 in lists': repeated('9f'),
  'lists of 65,535 in lists': repeated('dcffff'),
  'lists of 4 billion in lists': repeated('ddffffffff'),
  'maps in maps': repeated('81a161'),
  'maps of 4 billion': repeated('dfffffffff'),
  'a map whose keys are lists in lists': after('81', repeated('91')),
  'one list of 2^32 - 1': after('ddffffffff', repeated('c0')),
  'a list of nearly as many as there are bytes, the second of which is none': after('dd00011f00', after('c0c1', repeated('c0'))),
  'many lists that each fit, and together do not': after('dd00004000', repeated('dc4000')),
  'a Map in a Map, 4,000 deep': nested('03', 4000),
  'a Set in a Set, 4,000 deep': nested('04', 4000),
  'an Error in an Error, 4,000 deep': nested('0a', 4000),
  'a back-reference, then lists in lists: read twice': after('93d60b00000000', repeated('91')),
  'back-references to nothing': after('dd00003000', repeated('d60bffffffff')),
  'a text longer than the message': after('dbffffffff', repeated('61')),
  'an extension longer than the message': after('c9ffffffff07', repeated('00')),
  'a BigInt of 64 KiB': after('c90000ffff05', repeated('ff', 65535)),
  'a list of nearly a million, the second of which is none': after('dd000fff00', after('c0c1', repeated('c0', 1 << 20))),
  '64 lists in lists that fit together in 1 MiB': after('dc3c00'.repeat(64), after('c1', repeated('c0', 1 << 20))),
  'lists in lists, 1 MiB of them': repeated('91', 1 << 20),
}

const used = () => {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

for (const [name, bytes] of Object.entries(BOMBS)) {
  test(`${name}: refused`, () => {
    const wire = new Wire()
    const attempt = () => {
      try {
        wire.decode(bytes)
        return 'taken'
      } catch (err) {
        return err.code
      }
    }
    assert.equal(attempt(), 'ERR_WARREN_PROTOCOL') // once before measuring: the code is compiled
    gc()
    const before = used()
    const began = performance.now()
    const code = attempt()
    const ms = performance.now() - began
    const taken = used() - before
    assert.equal(code, 'ERR_WARREN_PROTOCOL')
    console.log(`# ${ms.toFixed(3)} ms, ${(taken / 1024).toFixed(0)} KiB: ${name} (${bytes.length >> 10} KiB)`)
    assert.ok(taken < MEMORY_MAX, `${taken} bytes were taken`)
  })
}
