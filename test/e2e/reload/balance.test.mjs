// Connections that are kept alive are shared by the instances evenly, whoever wakes first.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Load, connectionsOf, figure, get, seen, unevenness } from './load.mjs'

const INSTANCES = 4
const UNEVEN_MAX = 20 // percent
const isEven = (counts) => unevenness(counts) <= UNEVEN_MAX && counts.every((count) => count > 0)

// Looks again and again until they are shared evenly: what was decided takes effect with later responses.
async function untilEven(box, { port, name, wrk }) {
  let counts
  while (!wrk.isOver) {
    const nodes = await box.nodesOf(name)
    counts = connectionsOf(port, nodes.map((node) => node.pid))
    if (counts.length === INSTANCES && isEven(counts) && sum(counts) === 64) return { counts, nodes }
  }
  throw new Error(`never even: ${counts}`)
}
const sum = (counts) => counts.reduce((a, b) => a + b, 0)

test('64 connections are shared evenly, and again when an instance was killed and is back', async (t) => {
  const box = await Load.open(t)
  const { port, name } = await box.serve('hello.js', { instances: INSTANCES })
  const wrk = box.wrk(port)
  const first = await untilEven(box, { port, name, wrk })
  figure(t, 'unevenness of 64 connections', unevenness(first.counts), '%')
  process.kill(first.nodes[1].pid, 'SIGKILL')
  let again
  do again = await untilEven(box, { port, name, wrk })
  while (again.nodes[1].pid === first.nodes[1].pid)
  figure(t, 'unevenness after a death', unevenness(again.counts), '%')
  const { requests, bad, errors } = await seen(wrk)
  assert.ok(requests > 100)
  assert.equal(bad, 0)
  assert.ok(errors.read <= first.counts[1], `${errors.read} errors: more than the dead one had connections`)
  assert.equal(errors.connect + errors.write + errors.timeout, 0)
})

test('an instance that is stuck does not hold up what comes', async (t) => {
  const box = await Load.open(t)
  const { port } = await box.serve('hello.js', { instances: 2 })
  const stuck = Number(await get(port))
  process.kill(stuck, 'SIGSTOP')
  const others = await Promise.all(Array.from({ length: 50 }, () => get(port))).finally(() => process.kill(stuck, 'SIGCONT'))
  assert.ok(!others.includes(String(stuck)))
})
