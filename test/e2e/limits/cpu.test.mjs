// A node that may use a part of a processor uses no more of it, in whatever threads. Less is never wrong here: the machine
// may be busy.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

const SLACK = 1.25 // of two seconds: the timer of processor time has the kernel's ticks, and the last tenth is not paid back

async function sharesOf(box, args) {
  const { code, stdout, stderr } = await box.done(['run', 'spin.js', ...args, '--no-prefix'])
  assert.equal(code, 0, stderr)
  return stdout.trim().split('\n').map(Number)
}

for (const [kind, threads, cpu, ...args] of [
  ['a forked node', 1, 0.5], ['a cold node', 1, 0.5, '--node-arg=--expose-gc'], ['a node of three threads', 3, 0.4],
])
  test(`${kind} keeps to its share of the processor`, async (t) => {
    const box = await Sandbox.open(t)
    await box.agent()
    const shares = await sharesOf(box, [String(threads), '4', '--cpu', String(cpu), ...args])
    console.log(`# figure ${kind} with --cpu ${cpu} had ${shares.map((share) => share.toFixed(3)).join(', ')}`)
    assert.equal(shares.length, 4)
    const mean = shares.reduce((sum, share) => sum + share) / shares.length // a half second begins and ends within a tenth
    assert.ok(mean < cpu * SLACK, `${mean}`)
  })

test('a node that asks for less than its share is not held', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const [free] = await sharesOf(box, ['1', '1', '--cpu', '8'])
  console.log(`# figure a node with --cpu 8 had ${free.toFixed(3)}`)
  assert.ok(free > 0)
})
