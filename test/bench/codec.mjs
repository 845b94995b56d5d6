// The codec alone, beside msgpackr and JSON: microseconds for one value, the best of some interleaved rounds.
//   node test/bench/codec.mjs        (msgpackr from build/bench/node_modules, where `make bench` puts it)
import { createRequire } from 'node:module'

const ROUNDS = 9
const ROUND_MS = 40
const SAMPLES = 64 // different objects of each kind

const here = createRequire(import.meta.url)
const { Encoder } = here('../../runtime/js/codec/encode.js')
const { Decoder } = here('../../runtime/js/codec/decode.js')
const { OwnShapes, PeerShapes } = here('../../runtime/js/codec/shapes.js')

const items = (count) => Array.from({ length: count }, (_, k) => ({ sku: 1000 + k, title: `A thing of number ${k}`, price: 9.99, qty: k }))
const values = {
  'small {id, name, n}': (i) => ({ id: i, name: 'abc', n: 12345 }),
  '100 bytes, nested': (i) => ({ id: i, type: 'order.created', user: { id: 77, email: `user${i}@example.org` }, tags: ['a', 'b'], total: 129.95, paid: true }),
  '1 KiB, nested': (i) => ({ id: i, items: items(12), note: 'x'.repeat(200), address: { street: 'Long Street 12', city: 'Berlin', zip: '10115', country: 'DE' }, at: 1700000000000 }),
  '1,000 rows': (i) => Array.from({ length: 1000 }, (_, k) => ({ id: k + i, name: 'abc', n: 12345 })),
  '64 KiB Buffer': (i) => Buffer.alloc(65536, i),
}

// As in the outbox and inbox: written behind each other in one memory, read from there.
function ours() {
  const memory = Buffer.alloc(32 << 20)
  const own = new OwnShapes()
  const peer = new PeerShapes()
  const encoder = new Encoder(own)
  const decoder = new Decoder()
  encoder.target(memory)
  decoder.source(memory)
  let spare = 0
  return {
    encode: (value) => encoder.encode(value, spare, memory.length),
    keep(value) {
      const start = spare
      for (let k = 0; k < 2; k++) spare = encoder.encode(value, start, memory.length)
      for (const body of own.takeFresh()) peer.add(body)
      return [start, spare]
    },
    decode: ([start, end]) => decoder.decode(start, end, peer),
    size: ([start, end]) => end - start,
  }
}

function packed(Packr, options) {
  const packr = new Packr(options)
  return { encode: (value) => packr.pack(value), keep: (value) => Buffer.from(packr.pack(value)), decode: (bytes) => packr.unpack(bytes), size: (bytes) => bytes.length }
}

const json = () => ({ encode: JSON.stringify, keep: JSON.stringify, decode: JSON.parse, size: (text) => Buffer.byteLength(text) })

function codecs() {
  const found = { Warren: ours }
  try {
    const { Packr } = createRequire(new URL('../../build/bench/', import.meta.url))('msgpackr')
    found['msgpackr, maps'] = () => packed(Packr, { useRecords: false })
    found['msgpackr, records'] = () => packed(Packr, { structures: [] })
    // Records, and what Warren does beside: Error, Map, Set, typed arrays, cycles and shared objects.
    found['msgpackr, structuredClone'] = () => packed(Packr, { structures: [], structuredClone: true, moreTypes: true })
  } catch {
    console.log('msgpackr is not there: `make bench` installs it\n')
  }
  return { ...found, JSON: json }
}

function nanoseconds(work, list) {
  let count = 0
  const start = process.hrtime.bigint()
  const end = start + BigInt(ROUND_MS * 1e6)
  let now = start
  for (; now < end; now = process.hrtime.bigint()) {
    for (let i = 0; i < list.length; i++) work(list[i])
    count += list.length
  }
  return Number(now - start) / count
}

function measure(codec, list) {
  const kept = list.map((value) => codec.keep(value))
  return { codec, list, kept, bytes: codec.size(kept.at(-1)), encode: Infinity, decode: Infinity }
}

console.log(`Node.js ${process.version}, us for one value (best of ${ROUNDS} rounds of ${ROUND_MS} ms)\n`)
console.log(`${''.padEnd(22)}${''.padEnd(28)}${'bytes'.padStart(8)}${'encode'.padStart(10)}${'decode'.padStart(10)}`)
for (const [kind, make] of Object.entries(values)) {
  const list = Array.from({ length: SAMPLES }, (_, i) => make(i))
  const found = Object.entries(codecs()).filter(([name]) => name !== 'JSON' || !Buffer.isBuffer(list[0]))
  const runs = found.map(([name, create]) => [name, measure(create(), list)])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [, run] of runs) {
      run.encode = Math.min(run.encode, nanoseconds(run.codec.encode, run.list))
      run.decode = Math.min(run.decode, nanoseconds(run.codec.decode, run.kept))
    }
  }
  for (const [i, [name, run]] of runs.entries()) {
    const figures = [run.encode, run.decode].map((ns) => (ns / 1000).toFixed(3).padStart(10)).join('')
    console.log(`${(i === 0 ? kind : '').padEnd(22)}${name.padEnd(28)}${String(run.bytes).padStart(8)}${figures}`)
  }
}
