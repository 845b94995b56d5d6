// Which store an agent uses: `warren agent --store`, what is kept of it, and what is said about it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './harness.mjs'
import { freePort } from '../ports.mjs'

async function storeOf(box) {
  const { stdout } = await box.done(['doctor', '--json'])
  return JSON.parse(stdout).checks.find(({ check }) => check === 'store')
}

async function agentOf(box, ...args) {
  const agent = box.warren(['agent', ...args])
  await agent.until(/listens on/)
  return agent
}

async function end(agent) {
  agent.kill('SIGTERM')
  assert.equal((await agent.ended).code, 0)
}

// Whose store is on a disk that writes nothing until there is a file `release`.
async function agentOfSlowDisk(box) {
  const ASAN_OPTIONS = `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0` // which wants to be the first library
  const env = { LD_PRELOAD: process.env.SLOW_DISK, SLOW_DISK: box.dir, SLOW_DISK_FILE: 'store.db', ASAN_OPTIONS }
  const agent = box.warren(['agent'], { env })
  await agent.until(/listens on/)
  return agent
}

async function setSecret(box, name) {
  const proc = box.warren(['secret', 'set', name])
  proc.stdin.end('value')
  const { code, stderr } = await proc.ended
  assert.equal(code, 0, stderr)
}

test('what cannot be a store is told before an agent is', async (t) => {
  const box = await Sandbox.open(t)
  for (const [text, why] of [['postgres://h', /a store is sqlite:PATH/], ['sqlite:here.db', /the whole path/], ['etcd://me:secret@h', /do not belong in it/], ['', /a store is/]]) {
    const { code, stderr } = await box.done(['agent', '--store', text])
    assert.equal(code, 2, stderr)
    assert.match(stderr, why)
  }
  assert.equal((await box.done(['agent', 'restart', '--store', 'etcd://h'])).code, 2)
  assert.equal(fs.existsSync(box.state), false)
})

test('an agent that needs no store makes no file of one', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await agentOf(box)
  assert.deepEqual(await storeOf(box), { check: 'store', state: 'ok', text: `sqlite:${box.state}/store.db: nobody needed it yet` })
  await end(agent)
  assert.deepEqual(fs.readdirSync(box.state).filter((name) => name.startsWith('store')), [])
})

test('a store that was named is the one of every agent after it', async (t) => {
  const box = await Sandbox.open(t)
  const file = path.join(box.dir, 'other.db')
  await end(await agentOf(box, '--store', `sqlite:${file}`))
  const agent = await agentOf(box)
  await setSecret(box, 'TOKEN')
  assert.deepEqual(await storeOf(box), { check: 'store', state: 'ok', text: `sqlite:${file}: it answers` })
  assert.deepEqual([fs.existsSync(file), fs.existsSync(path.join(box.state, 'store.db'))], [true, false])
  const restarted = await box.done(['agent', 'restart'])
  assert.equal(restarted.code, 0, restarted.stderr + agent.output) // one process after the other has it open
  await setSecret(box, 'OTHER')
  assert.deepEqual((await box.done(['secret', 'list'])).stdout.trim().split('\n').sort(), ['OTHER', 'TOKEN'])
  await end(agent)
})

test('with a store that does not answer the agent runs, says so, and has its secrets', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await agentOf(box, '--store', 'etcd://127.0.0.1:1/warren')
  await agent.until(/the store etcd:\/\/127\.0\.0\.1:1\/warren cannot be used: etcd at 127\.0\.0\.1:1 cannot be asked/)
  const { state, text } = await storeOf(box)
  assert.equal(state, 'problem')
  assert.match(text, /^etcd:\/\/127\.0\.0\.1:1\/warren: etcd at 127\.0\.0\.1:1 cannot be asked: .*--store/)
  await setSecret(box, 'TOKEN')
  assert.equal(fs.existsSync(path.join(box.state, 'store.db')), true)
  await end(agent)
})

test('a command on deployments waits for a store that has not answered yet', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await agentOfSlowDisk(box)
  const rollback = box.warren(['rollback', 'shop'])
  try {
    const since = performance.now() // the agent looks at its store four times a second
    while (!rollback.isOver && performance.now() - since < 1000) await box.done(['ps'])
    assert.ok(fs.existsSync(path.join(box.dir, 'blocked')))
    assert.equal(rollback.output, '')
  } finally {
    fs.writeFileSync(path.join(box.dir, 'release'), '')
  }
  const { code, stderr } = await rollback.ended
  assert.equal(code, 3, stderr)
  assert.match(stderr, /no project shop/)
  await end(agent)
})

test('each command on deployments is told of a store that cannot be asked', async (t) => {
  const box = await Sandbox.open(t)
  const address = `127.0.0.1:${await freePort()}`
  assert.equal((await box.done(['init', '--name', 'ada', '--listen', address, '--advertise', address])).code, 0)
  const agent = await agentOf(box, '--store', 'etcd://127.0.0.1:1/warren')
  for (const words of [['rollback', 'shop'], ['status'], ['rollback', 'shop']]) {
    const { code, stderr } = await box.done(words)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /etcd at 127\.0\.0\.1:1 cannot be asked/)
  }
  await end(agent)
})

test('what is kept and makes no sense is told, and ends no agent that runs', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await agentOf(box)
  const file = path.join(box.state, 'store.conf')
  fs.writeFileSync(file, 'mysql:here\n', { mode: 0o600 })
  const refused = await box.done(['agent', 'restart'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /runs on as it was: .*cannot use .*store\.conf: a store is sqlite:PATH.*`warren agent --store`/)
  await end(agent)
  const { code, stderr } = await box.done(['agent'])
  assert.equal(code, 1)
  assert.match(stderr, /cannot use .*store\.conf: a store is sqlite:PATH/)
})

test('a unit says the store that its agent was installed with', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stdout } = await box.done(['agent', 'install', '--user', '--print', '--store', 'etcds://h1,h2/a?ca=/x%20$y'])
  assert.equal(code, 0)
  assert.match(stdout, /^ExecStart="\/.*" agent --store "etcds:\/\/h1,h2\/a\?ca=\/x%%20\$\$y"$/m)
})
