// An agent that runs into a limit of its host says so in one sentence, and is still commanded.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { POKE, Sandbox, WARREN } from './harness.mjs'

const HELLO = '1001' // a command line of protocol 1

const REACHED = "the agent's limit of open files (64) is reached: start the agent with a higher `ulimit -n`, or LimitNOFILE= in its unit"

async function limited(box, files) {
  const agent = box.start('prlimit', [`--nofile=${files}:${files}`, WARREN, 'agent'])
  await agent.until(/is ready after/)
  return agent
}

test('nodes that use up the descriptors leave some for commands', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await limited(box, 64)
  assert.equal((await box.done(['run', '-d', 'probe.js', '-i', '20'])).code, 0)
  await agent.until(/probe\.19 could not be started: /)
  await box.probes.next()
  const nodes = await box.nodes()
  assert.equal(nodes.find(({ name }) => name === 'probe.19').reason, REACHED)
  const commands = await Promise.all(Array.from({ length: 10 }, () => box.done(['ps'])))
  assert.ok(commands.every(({ code }) => code === 0))
  assert.equal((await box.done(['stop', 'probe'])).code, 0)
  assert.deepEqual(await box.nodes(), []) // and what they held is free
  const again = box.warren(['run', 'probe.js'])
  await box.probes.next()
  again.kill('SIGTERM')
  await again.ended
  assert.equal((await box.done(['agent', '--stop'])).code, 0)
})

test('commands that use up the descriptors are told so, and later ones are served', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await limited(box, 64)
  const holders = []
  while (!/a connection \(pid \d+\) is refused: the agent's limit of open files/.test(agent.output)) {
    holders.push(box.start(POKE, [path.join(box.state, 'agent.sock'), HELLO]))
    await holders.at(-1).until(/\n/) // greeted, or refused
  }
  const { code, stderr } = await box.done(['ps'])
  assert.deepEqual([code, stderr], [4, `warren: ${REACHED}\n`])
  for (const holder of holders) if (!holder.isOver) holder.kill('SIGKILL')
  await Promise.all(holders.map((holder) => holder.ended))
  assert.deepEqual(await box.nodes(), [])
})

test('nodes start with the limit that the agent was started with', async (t) => {
  const box = await Sandbox.open(t)
  const script = path.join(box.dir, 'node')
  fs.writeFileSync(script, `#!/bin/sh\nulimit -Sn > ${box.dir}/limit\nexec "${process.env.WARREN_NODE}" "$@"\n`, { mode: 0o755 })
  const agent = box.start('prlimit', ['--nofile=200:400', WARREN, 'agent'], { env: { WARREN_NODE: script } })
  await agent.until(/is ready after/)
  assert.equal(fs.readFileSync(path.join(box.dir, 'limit'), 'utf8'), '200\n')
  assert.match(fs.readFileSync(`/proc/${agent.pid}/limits`, 'utf8'), /Max open files +400 +400/)
})

test('a limit that is too low for any agent is one sentence', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stderr } = await box.start('prlimit', ['--nofile=20:20', WARREN, 'agent']).ended
  assert.deepEqual([code, stderr], [1, `warren: ${REACHED.replace('64', '20')}\n`])
})

test('whoever sends garbage all day cannot fill the log', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  for (let i = 0; i < 40; i++) await box.start(POKE, [path.join(box.state, 'agent.sock'), 'ffff']).ended
  assert.ok(agent.output.match(/its first message cannot be read\n/g).length <= 11)
  const [, count] = await agent.until(/Z (\d+) more like this: a connection \(pid \d+\) is closed: its first message cannot be read\n/)
  assert.ok(count >= 30)
})
