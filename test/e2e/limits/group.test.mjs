// Limits that the kernel keeps, where the agent can make groups (cgroup v2).
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

// The agent says where it makes groups, or why it makes none: then the test is skipped with its words.
async function groups(t, box, agent) {
  await box.done(['run', 'spin.js', '1', '0', '--memory', '256M', '--cpu', '1'])
  const [, dir] = agent.output.match(/nodes with limits are in groups below (\S+)/) ?? []
  if (!dir) t.skip(agent.output.match(/there are no cgroups for limits: .*/)[0])
  return dir
}

test('a node is in a group of its own with its limits, and the group ends with it', async (t) => {
  const box = await Sandbox.open(t)
  const dir = await groups(t, box, await box.agent())
  if (!dir) return
  await box.done(['run', '-d', 'spin.js', '1', '1000', '--memory', '256M', '--cpu', '0.5'])
  const [{ id, limits }] = (await box.nodes()).filter(({ pid }) => pid > 0)
  assert.deepEqual(limits, { memoryBytes: 256 << 20, memoryBy: 'cgroup', cpu: 0.5, cpuBy: 'cgroup' })
  const read = (name) => fs.readFileSync(path.join(dir, id, name), 'utf8').trim()
  assert.deepEqual([read('memory.max'), read('cpu.max')], [String(256 << 20), '50000 100000'])
  assert.equal((await box.done(['stop', '--all'])).code, 0)
  assert.deepEqual(fs.readdirSync(dir).filter((name) => name === id), [])
})

test('what a node starts counts for it, and ends with it', async (t) => {
  const box = await Sandbox.open(t)
  const dir = await groups(t, box, await box.agent())
  if (!dir) return
  await box.done(['stop', '--all'])
  const { lastExit } = await box.grow('child', '--memory', '128M', '--name', 'parent')
  assert.deepEqual([lastExit.oom, lastExit.signal], [true, 9])
  assert.equal(lastExit.reason, 'out of memory: the kernel ended it at its limit of 128 MiB')
})
