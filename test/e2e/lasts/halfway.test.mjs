// The agent dies between the two ends of a link: one node gets its socket, the other does not. Or when it has told some of an end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { ask, Sandbox, test } from './sandbox.mjs'

const NODES = 4
const PAIRS = (NODES * (NODES - 1)) / 2

async function open(t) {
  const box = await Sandbox.open(t)
  box.env.HALFWAY = path.join(box.dir, 'halfway')
  const ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':')
  return { box, env: { LD_PRELOAD: process.env.HALFWAY_SO, ASAN_OPTIONS } }
}

// Nodes that all begin to speak at once, through an agent that hands out `sent` sockets, loses `dropped` in its own memory, and dies.
async function speak(t, plans) {
  const { box, env } = await open(t)
  let agent = await box.agent({ env })
  for (const [index, [sent, dropped]] of plans.entries()) {
    const name = `talkers-${index}`
    await box.ok(['run', '-d', 'talker.js', '-i', NODES, '--name', name, '--', NODES])
    const talkers = await box.probes.take(NODES)
    // All have subscribed, which each was told; now each has read it, so what is published goes to all.
    await Promise.all(talkers.map((talker) => ask(talker, 'settle')))
    fs.writeFileSync(box.env.HALFWAY, `link ${sent} ${dropped}`)
    const death = once(agent.streams, 'exit')
    await Promise.all(talkers.map((talker) => ask(talker, 'go 100')))
    assert.deepEqual(await death, [null, 'SIGKILL'])
    await Promise.all(talkers.map((talker) => ask(talker, 'go 100'))) // while there is no agent
    agent = await box.agent({ env })
    for (const report of await Promise.all(talkers.map((talker) => ask(talker, 'report 200'))))
      assert.deepEqual(report, { numbers: Array(NODES).fill(200), disorder: [], lost: 0 }, `after ${sent} sockets, ${dropped} lost`)
    await box.ok(['stop', name])
    await Promise.all(talkers.map((talker) => talker.gone))
  }
}

test('what waits for a link that one end was told of arrives, once and in order', (t) =>
  speak(t, Array.from({ length: PAIRS }, (_, pair) => [2 * pair + 1, 0])))

test('so it does when the first end was not told, and the second was', (t) =>
  speak(t, Array.from({ length: PAIRS }, (_, pair) => [2 * pair, 1])))

test('an end of which some were told is told to the others by the next agent, and to nobody twice', async (t) => {
  const { box, env } = await open(t)
  let agent = await box.agent({ env })
  await box.ok(['run', '-d', 'talker.js', '-i', NODES, '--name', 'talkers', '--', NODES])
  const talkers = (await box.probes.take(NODES)).map((talker) => Object.assign(talker, { before: 0 }))
  let told = 0
  for (const [sent, dropped] of [[1, 0], [2, 0], [NODES - 1, 0], [0, 1], [1, 1]]) {
    const victim = talkers.pop()
    fs.writeFileSync(box.env.HALFWAY, `down ${sent} ${dropped}`)
    const death = once(agent.streams, 'exit')
    process.kill(victim.pid, 'SIGKILL')
    assert.deepEqual(await death, [null, 'SIGKILL'])
    agent = await box.agent({ env })
    told++
    for (const talker of talkers) assert.deepEqual(await ask(talker, `downs ${talker.before + told}`), { downs: talker.before + told })
    const next = await box.probes.next() // it has seen them all
    talkers.unshift(Object.assign(next, { before: -told }))
  }
})
