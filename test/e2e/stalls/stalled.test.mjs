// A node whose loop does not turn is told as that, gets no calls, and is not taken for dead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, figure } from './sandbox.mjs'

test('a loop that does not turn is stalled, gets no calls, and is down for nobody', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([], 2)
  const began = await box.block(0, 'held')
  const { text } = await proc.event('w.0', 'stalled')
  figure(`stalls: stalled ${Math.round(performance.now() - began)} ms after its loop turned last`)
  assert.match(text, /^w\.0 is stalled: its loop has not turned for \d+\.\d s \(`warren inspect w\.0` shows where it is\)$/)
  const node = await box.node('w.0')
  assert.equal(node.state, 'stalled')
  assert.ok(node.stalledMs >= 2000 && node.stalls === 1)
  assert.match((await box.ok(['ps'])).stdout, /^w\.0 +stalled/m)
  for (let i = 0; i < 6; i++) assert.equal((await box.ok(['call', 'who', 'name'])).stdout.trim(), '"w.1"')
  box.letGo()
  await proc.until(/free again/)
  await proc.until(/w\.0 turns again, after \d+\.\d s/)
  assert.equal((await box.node('w.0')).state, 'up')
  assert.doesNotMatch(proc.output, /down w\.0/) // w.1 has monitored it all the time
  process.kill((await box.node('w.0')).pid, 'SIGKILL')
  await proc.until(/down w\.0 killed/)
  await proc.until(/w\.0 restarted/)
  const names = new Set()
  while (names.size < 2) names.add((await box.ok(['call', 'who', 'name'])).stdout)
})

test('a loop is stalled whatever keeps it from turning, and not while it waits for events', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([], 3)
  await box.block(1, 'wait', 10_000)
  await box.block(2, 'child', 10_000)
  await Promise.all([proc.event('w.1', 'stalled'), proc.event('w.2', 'stalled')])
  await Promise.all([proc.until(/w\.1 turns again/), proc.until(/w\.2 turns again/)])
  assert.deepEqual((await box.nodes()).map(({ state, stalls }) => [state, stalls]), [['up', 0], ['up', 1], ['up', 1]])
})

test('a node that was started cold is watched as well', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall(['--node-arg=--no-warnings'])
  assert.equal((await box.node('w.0')).cold, true)
  await box.block(0, 'held')
  await proc.event('w.0', 'stalled')
  box.letGo()
})
