// Services that are restarted together.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

// db, api and web, which joined in this order, and what they note.
async function openGroup(t, strategy) {
  const box = await Sandbox.open(t)
  box.order = path.join(box.dir, 'order')
  box.notes = () => fs.readFileSync(box.order, 'utf8').trim().split('\n')
  box.agentProc = await box.agent()
  box.members = {}
  for (const name of ['db', 'api', 'web']) {
    const options = ['--group', 'shop', ...(name === 'db' ? ['--strategy', strategy] : [])]
    await box.ok(['run', '-d', 'member.js', '--name', name, '--ready', 'message', ...options, '--', name, box.order])
    box.members[name] = await box.probes.next()
  }
  fs.writeFileSync(box.order, '')
  return box
}

test('one_for_all: all end in reverse, then start in order', async (t) => {
  const box = await openGroup(t, 'one_for_all')
  process.kill(box.members.api.pid, 'SIGKILL')
  await box.probes.take(3)
  assert.deepEqual(box.notes(), ['end web', 'end db', 'start db', 'start api', 'start web'])
  const nodes = await box.nodes()
  assert.deepEqual(nodes.map(({ name, group, restarts }) => [name, group, restarts]),
    [['db.0', 'shop', 1], ['api.0', 'shop', 1], ['web.0', 'shop', 1]])
  assert.equal(nodes[1].lastExit.reason, 'signal SIGKILL')
})

test('rest_for_one: who joined before stays', async (t) => {
  const box = await openGroup(t, 'rest_for_one')
  process.kill(box.members.api.pid, 'SIGKILL')
  await box.probes.take(2)
  assert.deepEqual(box.notes(), ['end web', 'start api', 'start web'])
  assert.equal((await box.node('db.0')).pid, box.members.db.pid)
})

test('one_for_one: who crashed is started again', async (t) => {
  const box = await openGroup(t, 'one_for_one')
  process.kill(box.members.db.pid, 'SIGKILL')
  await box.probes.next()
  assert.deepEqual(box.notes(), ['start db'])
})

test('when the agent ends, groups end in reverse', async (t) => {
  const box = await openGroup(t, 'one_for_one')
  await box.ok(['agent', '--stop'])
  await box.agentProc.ended
  assert.deepEqual(box.notes(), ['end web', 'end api', 'end db'])
})

test('a group has one strategy, and a strategy has a group', async (t) => {
  const box = await openGroup(t, 'rest_for_one')
  const other = await box.done(['run', '-d', 'member.js', '--group', 'shop', '--strategy', 'one_for_all'])
  assert.equal(other.code, 2)
  assert.match(other.stderr, /the group shop is rest_for_one already, because of db/)
  const none = await box.done(['run', 'member.js', '--strategy', 'one_for_all'])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /--group NAME/)
  assert.equal((await box.done(['run', 'member.js', '--group', 'all'])).code, 2)
})
