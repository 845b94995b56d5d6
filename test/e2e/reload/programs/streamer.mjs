// Reads and writes streams of `streams` by halves: begins three of each kind, says how far they are, and at the next line what becomes of them.
import { join } from 'warren'

const COUNT = 100
const HALF = 10
const ITEM = Buffer.alloc(32 << 10)
const mesh = await join()
await mesh.available('streams')
const streams = mesh.client('streams', { timeout: 60_000 })

// A source that stops in the middle until `gate` is open.
function source() {
  const state = { sent: 0, ends: 0, half: deferred(), gate: deferred() }
  state.items = (async function* () {
    try {
      for (; state.sent < COUNT; state.sent++) {
        if (state.sent === HALF) {
          state.half.resolve()
          await state.gate.promise
        }
        yield { number: state.sent, ITEM }
      }
    } finally {
      state.ends++
    }
  })()
  return state
}
function deferred() {
  const all = {}
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }))
  return all
}

const failed = (err) => ({ code: err.code, delivered: err.delivered })

// What a reader sees from here on: numbers, and each error, until it says that it is done.
async function readOn(reader, from, step) {
  const report = { read: from, inOrder: true, errors: [], pids: new Set() }
  for (;;) {
    const { value, done } = await reader.next().catch((err) => (report.errors.push(failed(err)), { value: null }))
    if (done) return { ...report, pids: [...report.pids] }
    if (value === null) continue
    report.inOrder &&= value.number === step * report.read++
    report.pids.add(value.pid)
  }
}

async function begin() {
  const answer = await streams.count({ to: COUNT })
  for (let i = 0; i < HALF; i++) await answer.next()
  const input = source()
  const sum = streams.add(input.items).catch(failed)
  const both = source()
  const doubled = await streams.twice(both.items)
  for (let i = 0; i < HALF; i++) await doubled.next()
  await Promise.all([input.half.promise, both.half.promise])
  return async (isToGoOn) => {
    if (isToGoOn) for (const { gate } of [input, both]) gate.resolve()
    const results = await Promise.all([readOn(answer, HALF, 1), sum, readOn(doubled, HALF, 2)])
    for (const { gate } of [input, both]) gate.resolve()
    await input.items.return()
    await both.items.return()
    return { answer: results[0], sum: results[1], doubled: results[2], sourceEnds: [input.ends, both.ends] }
  }
}

console.log('here')
let finish
for await (const line of process.stdin.setEncoding('utf8')) {
  const word = line.trim()
  if (word === 'begin') finish = await begin()
  if (word === 'pid') console.log(JSON.stringify({ pid: await streams.pid() }))
  if (word === 'begin') console.log(JSON.stringify({ half: true }))
  if (word === 'finish' || word === 'watch') console.log(JSON.stringify(await finish(word === 'finish')))
}
await mesh.close()
process.exit(0)
