// A node whose process is stopped while its loop waits: to its shared memory that is an idle one.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Sandbox, figure } from './sandbox.mjs'

const STOPPED = /^w\.0 is stalled: its process is stopped, by a signal or a debugger \(`kill -CONT \d+` lets it go on\)$/
const parentOf = (pid) => Number(fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1])

// An agent, two nodes of `who` on it, and their pids.
async function openTwo(t) {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.ok(['run', '-d', 'stall.mjs', '--name', 'w', '-i', '2'])
  for (const name of ['w.0', 'w.1']) await box.ok(['call', '--wait', '30s', `control-${name.at(-1)}`, 'block', '{"way": "spin", "ms": 1}'])
  return { box, agent, pids: (await box.nodes()).map(({ pid }) => pid) }
}

test('a node that is stopped while it waits is stalled, gets no calls, is down for nobody, and goes on', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall([], 2)
  const { pid } = await box.node('w.0')
  process.kill(pid, 'SIGSTOP')
  const began = performance.now()
  assert.match((await proc.event('w.0', 'stalled')).text, STOPPED)
  figure(`stalls: stalled ${Math.round(performance.now() - began)} ms after its process was stopped`)
  const { state, stalls, reason } = await box.node('w.0')
  assert.deepEqual([state, stalls, reason], ['stalled', 1, 'stopped by a signal or a debugger'])
  assert.match((await box.ok(['inspect', 'w.0'])).stdout, /is stalled, .*; it runs no JavaScript:\n {4}its main thread is stopped by a signal or a debugger\n$/)
  for (let i = 0; i < 6; i++) assert.equal((await box.ok(['call', 'who', 'name'])).stdout.trim(), '"w.1"')
  process.kill(pid, 'SIGCONT')
  await proc.until(/w\.0 turns again, after \d+\.\d s/)
  const { state: after, restarts } = await box.node('w.0')
  assert.deepEqual([after, restarts], ['up', 0])
  const names = new Set()
  while (names.size < 2) names.add((await box.ok(['call', 'who', 'name'])).stdout)
  assert.doesNotMatch(proc.output, /down w\.0/)
})

test('one that was stopped while there was no agent is known as stalled to the next one', async (t) => {
  const { box, agent, pids: [pid] } = await openTwo(t)
  await box.killAgent(agent)
  process.kill(pid, 'SIGSTOP')
  const next = await box.agent()
  await next.until(/w\.0 is stalled: its process is stopped/)
  process.kill(pid, 'SIGCONT')
  await next.until(/w\.0 turns again/)
  // The zygote of the agent before tells this one of the next stop.
  process.kill(pid, 'SIGSTOP')
  await next.until(/turns again[^]*w\.0 is stalled: its process is stopped/)
})

test('one of which no zygote tells is found all the same', async (t) => {
  const { box, agent, pids: [pid] } = await openTwo(t)
  const stop = async (from) => {
    process.kill(pid, 'SIGSTOP')
    const began = performance.now()
    await agent.until(/w\.0 is stalled: its process is stopped/, from)
    const took = performance.now() - began
    process.kill(pid, 'SIGCONT')
    await agent.until(/w\.0 turns again/, from)
    return took
  }
  await stop(0) // it is known as one that turns
  process.kill(parentOf(pid), 'SIGKILL')
  await agent.until(/ended by signal 9 \(Killed\); its nodes run on/)
  figure(`stalls: stalled ${Math.round(await stop(agent.output.length))} ms after its process was stopped, without a zygote`)
  assert.equal((await box.node('w.0')).pid, pid)
})

test('--stall 1s:kill ends one that is stopped, and it is started again', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall(['--stall', '1s:kill'])
  process.kill((await box.node('w.0')).pid, 'SIGSTOP')
  await proc.until(/w\.0 restarted/)
  const { lastExit } = await box.node('w.0')
  assert.match(lastExit.reason, /^killed: its loop had not turned for \d+\.\d s$/)
  assert.match(JSON.stringify(lastExit), /its main thread is stopped by a signal or a debugger/)
})
