// What other hosts make of a node that stalls: two hosts on one machine.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, figure } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

const STALL_MS = Number(process.env.STALL_MS) // else it ends when that was seen; 40000: as long as no loop should be stuck

async function pair(t) {
  const one = await Sandbox.open(t), two = await Sandbox.open(t)
  const at = async () => `127.0.0.1:${await freePort()}`
  const [a, b] = [await at(), await at()]
  await one.ok(['init', '--name', 'one', '--listen', a, '--advertise', a])
  await one.agent()
  const { token } = JSON.parse((await one.ok(['token', 'create', '--json'])).stdout)
  await two.ok(['join', token, '--name', 'two', '--listen', b, '--advertise', b])
  await two.agent()
  return [one, two]
}

test('a stalled node is not chosen from another host either, and is chosen again later', async (t) => {
  const [one, two] = await pair(t)
  const proc = await one.stall([], 2)
  const caller = two.run(['caller.mjs', '--name', 'caller'])
  await caller.until(/"data":"both/)
  const began = await one.block(0, STALL_MS ? 'spin' : 'held', STALL_MS)
  await caller.until(/"data":"only w\.1/)
  figure(`stalls: routed around on another host ${Math.round(performance.now() - began)} ms after its loop turned last`)
  const from = caller.output.length
  one.letGo()
  await proc.until(/w\.0 turns again/)
  await caller.until(/"data":"both/, from)
  assert.doesNotMatch(caller.output, /"data":"down/)
})
