// What keeps a loop from turning is shown while it does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, figure } from './sandbox.mjs'

test('inspect shows where a node is, while it is there, and what holds it if that is no JavaScript', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([], 4)
  await Promise.all([box.block(1, 'spin', 120_000), box.block(2, 'wait', 120_000), box.block(3, 'child', 120_000)])
  const began = performance.now()
  const { stdout } = await box.ok(['inspect', 'w.1'])
  figure(`stalls: inspect of a loop that is busy took ${Math.round(performance.now() - began)} ms`)
  assert.match(stdout, /^w\.1 \(pid \d+\) runs:\n {4}at spinInProgram \(file:\/\/.*stall\.mjs:\d+:\d+\)\n(?: {4}at .*\n)+$/)
  await proc.event('w.1', 'stalled')
  assert.match((await box.ok(['inspect', 'w.1'])).stdout, /is stalled, its loop has not turned for \d+\.\d s; it runs:\n {4}at spinInProgram/)
  const found = Object.fromEntries((await box.ok(['inspect', 'w', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line))
    .map(({ node, ...rest }) => [node, rest]))
  assert.deepEqual([found['w.0'].activity, found['w.0'].stack], ['waiting', []])
  assert.equal(found['w.2'].activity, 'running') // Atomics.wait lets itself be interrupted
  assert.match(found['w.2'].stack[0], /^at wait \(/)
  assert.equal(found['w.3'].activity, 'blocked')
  assert.match(found['w.3'].stack[0], /^its main thread sleeps/)
  assert.doesNotMatch(proc.output, /free again/) // nobody has come to an end for it
})

test('a node that was inspected runs on as if nothing had been', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([])
  await box.block(0, 'spin', 1500)
  await Promise.all([1, 2, 3, 4].map(() => box.ok(['inspect', 'w.0'])))
  await proc.until(/free again/)
  assert.equal((await box.ok(['call', 'who', 'name'])).stdout.trim(), '"w.0"')
  assert.match((await box.ok(['inspect', 'w'])).stdout, /^w\.0 \(pid \d+\) waits for events\n$/)
})

// Both programs allocate without end: their main thread also collects garbage, and sleeps until V8's other threads have done their part.
const NATIVE = /it runs no JavaScript:\n {4}its main thread (?:runs native code, .*, that could not be interrupted for \d+\.\d s|sleeps \(futex: .*\))\n$/

// Asks until `wanted` is told; anything but that, NATIVE and `meanwhile` is wrong.
async function inspectUntil(box, target, wanted, meanwhile = NATIVE) {
  for (;;) {
    const { stdout } = await box.ok(['inspect', target])
    if (wanted.test(stdout)) return
    if (!NATIVE.test(stdout)) assert.match(stdout, meanwhile)
  }
}

test('inspect finds the function whose promises never end', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([])
  await box.block(0, 'await', 600_000)
  await proc.event('w.0', 'stalled')
  await inspectUntil(box, 'w.0', /it runs:\n {4}at awaitInProgram \(/, /it runs:\n {4}(?:microtasks, |at processTicksAndRejections )/)
})

test('inspect waits for the end of native code that a function has called', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([])
  await box.block(0, 'sort', 600_000)
  await proc.event('w.0', 'stalled')
  await inspectUntil(box, 'w.0', /it runs:\n {4}at sortInProgram \(/)
})

test('inspect says what it cannot do', async (t) => {
  const box = await Sandbox.open(t)
  assert.equal((await box.done(['inspect'])).code, 2)
  assert.equal((await box.done(['inspect', 'w'])).code, 4)
  await box.stall([])
  const unknown = await box.done(['inspect', 'v'])
  assert.deepEqual([unknown.code, /did you mean w\?/.test(unknown.stderr)], [3, true])
})
