// A file that has changed: what needs new processes gets them without a lost request, what does not is left alone.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { get, Sandbox } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

async function open(t, settings = {}) {
  const box = await Sandbox.open(t)
  const port = await freePort()
  box.port = port
  box.api = (more) => box.config({ name: 'shop', services: { api: {
    entry: './server.js', instances: 3, ports: [port], health: { ready: 'listen', timeout: '30s' }, ...settings, ...more,
  } } })
  box.agentProc = await box.agent()
  box.api({ env: { WORD: 'old' } })
  await box.up()
  return box
}

test('a variable that changed replaces the instances, and no request fails meanwhile', async (t) => {
  const box = await open(t)
  const before = await box.pids()
  box.api({ env: { WORD: 'new' } })
  let isOver = false
  const asking = (async () => {
    const words = new Set()
    while (!isOver) words.add((await get(box.port)).split(' ')[0])
    return words
  })()
  const { plans, stdout } = await box.up()
  isOver = true
  const words = [...await asking]
  assert.deepEqual(words.filter((word) => word !== 'old' && word !== 'new'), [])
  assert.deepEqual(plans, [{ type: 'planned', service: 'api', action: 'update', from: 3, to: 3, keys: ['env.WORD'] }])
  assert.ok(!/"(old|new)"/.test(stdout), 'values are nobody else\'s business')
  const after = await box.pids()
  assert.deepEqual(Object.keys(after), Object.keys(before))
  for (const name of Object.keys(before)) assert.notEqual(after[name], before[name])
  assert.match(await get(box.port), /^new /)
  assert.deepEqual((await box.up()).planned, { api: 'keep' })
  // What is restarted now is the new program too.
  await box.ok(['restart', 'api.0'])
  for (let i = 0; i < 6; i++) assert.match(await get(box.port), /^new /)
})

test('what makes ready holds at once for who is starting: what it has said already counts', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const wants = (ready) => box.config({ name: 'shop', services: { api: { entry: './server.js', ports: [port], health: { ready } } } })
  await box.agent()
  wants('mesh') // which it never says
  await box.up(['--no-wait'])
  while (!await get(port).catch(() => ''));
  const before = await box.pids()
  wants('listen')
  await box.up(['--wait'])
  assert.deepEqual(await box.pids(), before)
  assert.equal((await box.nodes())[0].restarts, 0)
})

test('rules hold at once, and touch no process', async (t) => {
  const box = await open(t)
  const before = await box.pids()
  box.api({ env: { WORD: 'old' }, restart: 'never', stop: { grace: '9s', signal: 'SIGINT' }, logs: { files: 2 }, stall: { after: '7s' } })
  const { plans } = await box.up()
  assert.deepEqual(plans[0].keys,
    ['restart.when', 'stop.signal', 'stop.grace', 'stall.after', 'logs.files'])
  assert.deepEqual(await box.pids(), before)
  box.api({ env: { WORD: 'old' }, restart: 'never' })
  const plain = await box.ok(['up', '-d'])
  assert.match(plain.stdout, /^api has its new rules, and no instance is replaced for them$/m)
  assert.doesNotMatch(plain.stdout, /reloaded/)
  assert.deepEqual(await box.pids(), before)
  process.kill(before['api.1'], 'SIGKILL')
  const gone = async () => (await box.nodes()).find(({ name }) => name === 'api.1').state === 'down'
  while (!await gone()) continue
  assert.deepEqual((await box.up(['--dry-run'])).planned, { api: 'keep' }) // never: it has had its life
})

test('a new program that fails leaves what ran before, and says why', async (t) => {
  const box = await open(t)
  const before = await box.pids()
  box.api({ env: { WORD: 'new', FAIL: '0' } })
  const end = await box.done(['up', '-d'])
  assert.equal(end.code, 1, end.stderr)
  assert.match(end.stderr, /no database\n/)
  assert.match(end.stderr, /api is not changed: the new api\.\d ended before it was ready \(exit code 3\); it runs as before\n/)
  assert.deepEqual(await box.pids(), before)
  assert.match(await get(box.port), /^old /)
  // It would be tried again; taken back, there is nothing to do.
  assert.deepEqual((await box.up(['--dry-run'])).planned, { api: 'update' })
  box.api({ env: { WORD: 'old' } })
  assert.deepEqual((await box.up()).planned, { api: 'keep' })
})

test('a new program that fails in the second instance is taken back in the first', async (t) => {
  const box = await open(t, { update: { parallel: 1 } })
  box.api({ env: { WORD: 'new', FAIL: '1' } })
  const end = await box.done(['up', '-d'])
  assert.equal(end.code, 1, end.stderr)
  assert.match(end.stderr, /api is not changed: the new api\.1 ended before it was ready \(exit code 3\); it runs as before\n/)
  assert.equal(fs.readFileSync(box.path('starts'), 'utf8'), '..')
  for (let i = 0; i < 9; i++) assert.match(await get(box.port), /^old /)
  const nodes = await box.nodes()
  assert.deepEqual(nodes.map(({ name, state }) => `${name} ${state}`), ['api.0 up', 'api.1 up', 'api.2 up'])
})

test('what a change could not bring back is held to the limits of what it runs, until it runs the old program again', async (t) => {
  const box = await open(t, { update: { parallel: 1 }, limits: { memory: '400M' } })
  box.api({ env: { WORD: 'new', FAIL: '1' }, limits: { memory: '300M' } })
  box.write('broken', '')
  const end = await box.done(['up', '-d'])
  assert.equal(end.code, 1, end.stderr)
  const limits = async () => (await box.nodes()).map(({ name, limits: { memoryBytes } }) => `${name} ${memoryBytes >> 20}`)
  assert.deepEqual(await limits(), ['api.0 300', 'api.1 400', 'api.2 400'])
  fs.unlinkSync(box.path('broken'))
  box.api({ env: { WORD: 'old' } })
  assert.deepEqual((await box.up()).planned, { api: 'revive' })
  assert.deepEqual(await limits(), ['api.0 400', 'api.1 400', 'api.2 400'])
  for (let i = 0; i < 9; i++) assert.match(await get(box.port), /^old /)
})

test('what a change had replaced when the agent was killed is known to run another program', async (t) => {
  const box = await open(t, { update: { parallel: 1 } })
  box.api({ env: { WORD: 'new', HANG: '1' } })
  const up = box.warren(['up', '-d'])
  await up.until(/api\.0 is replaced/)
  while (!fs.existsSync(box.path('starts')) || fs.readFileSync(box.path('starts'), 'utf8') !== '..') continue
  await box.killAgent(box.agentProc)
  await up.ended
  box.agentProc = await box.agent()
  box.api({ env: { WORD: 'old' } })
  assert.deepEqual((await box.up()).planned, { api: 'revive' })
  for (let i = 0; i < 9; i++) assert.match(await get(box.port), /^old /)
  assert.deepEqual((await box.up()).planned, { api: 'keep' })
})

test('another group is another start: stopped first, then started', async (t) => {
  const box = await open(t)
  const before = await box.pids()
  box.api({ env: { WORD: 'old' }, group: 'web' })
  assert.deepEqual((await box.up()).planned, { api: 'replace' })
  const after = await box.pids()
  for (const name of Object.keys(before)) assert.notEqual(after[name], before[name])
  assert.match(await get(box.port), /^old /)
})

test('an instance that was given up is started again, and only that one', async (t) => {
  const box = await open(t, { restart: { max: 0 } })
  const before = await box.pids()
  process.kill(before['api.1'], 'SIGKILL')
  const state = async () => (await box.nodes()).find(({ name }) => name === 'api.1').state
  while (await state() !== 'failed') continue
  assert.deepEqual((await box.up()).planned, { api: 'revive' })
  const after = await box.pids()
  assert.equal(await state(), 'up')
  assert.deepEqual([after['api.0'], after['api.2']], [before['api.0'], before['api.2']])
})

test('rules that change bring back what was given up under those of before', async (t) => {
  const box = await open(t, { restart: { max: 0 } })
  const before = await box.pids()
  process.kill(before['api.1'], 'SIGKILL')
  while ((await box.nodes()).find(({ name }) => name === 'api.1').state !== 'failed') continue
  box.api({ env: { WORD: 'old' }, restart: { max: 3 } })
  assert.deepEqual((await box.up()).planned, { api: 'update' })
  const after = await box.pids()
  assert.ok(after['api.1'] > 0)
  assert.deepEqual([after['api.0'], after['api.2']], [before['api.0'], before['api.2']])
})

test('an instance that was stopped by hand is started again, also with a new program and by a new agent', async (t) => {
  const box = await open(t)
  const isUp = async () => (await box.nodes()).find(({ name }) => name === 'api.1').state === 'up'
  await box.ok(['stop', 'api.1'])
  await box.ok(['reload', 'api']) // which leaves it as it is
  assert.equal(await isUp(), false)
  assert.deepEqual((await box.up()).planned, { api: 'revive' })
  assert.ok(await isUp())
  await box.ok(['stop', 'api.1'])
  box.api({ env: { WORD: 'new' } })
  assert.deepEqual((await box.up()).planned, { api: 'update' })
  assert.ok(await isUp())
  await box.ok(['stop', 'api.1'])
  await box.killAgent(box.agentProc)
  await box.agent()
  assert.deepEqual((await box.up()).planned, { api: 'revive' })
  assert.ok(await isUp())
})

test('an instance that was given up and is no longer wanted is not started again', async (t) => {
  const box = await open(t, { restart: { max: 0 } })
  process.kill((await box.pids())['api.2'], 'SIGKILL')
  while ((await box.nodes()).find(({ name }) => name === 'api.2').state !== 'failed') continue
  box.api({ env: { WORD: 'old' }, instances: 2 })
  assert.deepEqual((await box.up()).planned, { api: 'scale' })
  assert.deepEqual(await box.names(), ['api.0', 'api.1'])
})

test('a service that is stopped while it changes starts nothing any more', async (t) => {
  const box = await Sandbox.open(t)
  box.write('slow.js', `const { WORD } = process.env, fs = require('fs')
    console.log('begins ' + WORD)
    setInterval(() => {}, 1000)
    process.on('SIGTERM', () => {
      if (WORD !== 'new' || !ready) process.exit()
      console.log('stays')
      setInterval(() => fs.existsSync('stay') || process.exit(), 5)
    })
    let ready = WORD === 'old'
    if (!ready) fs.appendFileSync('starts', '.')
    ready ||= fs.statSync('starts').size === 1
    if (ready) process.send('ready')\n`)
  const api = (WORD) => box.config({ name: 'shop', services: { api: { entry: './slow.js', instances: 2, env: { WORD },
    health: { ready: 'message', timeout: '60s' }, update: { parallel: 1 }, stop: { grace: '60s' } } } })
  await box.agent()
  api('old')
  await box.up()
  const logs = box.warren(['logs', '-f', 'api'])
  await logs.until(/begins old[^]*begins old/)
  api('new')
  box.write('stay', '')
  const up = box.warren(['up', '-d'])
  await logs.until(/begins new[^]*begins new/)
  const stop = box.warren(['stop', 'api'])
  await logs.until(/stays/)
  while ((await box.nodes()).some(({ name, state }) => name === 'api.1' && state !== 'down')) continue
  const left = (await box.nodes()).map(({ name, state }) => `${name} ${state}`)
  fs.unlinkSync(box.path('stay'))
  assert.equal((await stop.ended).code, 0)
  assert.equal((await up.ended).code, 1)
  assert.deepEqual(left, ['api.0 draining', 'api.1 down'])
  assert.equal((await box.ok(['logs', 'api'])).stdout.match(/begins old/g).length, 2)
})

test('the number and the program change together: what is added is new already', async (t) => {
  const box = await open(t)
  box.api({ env: { WORD: 'new' }, instances: 5 })
  const { plans } = await box.up()
  assert.deepEqual([plans[0].from, plans[0].to, plans[0].keys], [3, 5, ['env.WORD']])
  assert.equal((await box.names()).length, 5)
  box.api({ env: { WORD: 'newer' }, instances: 1 })
  await box.up()
  assert.deepEqual(await box.names(), ['api.0'])
  assert.match(await get(box.port), /^newer /)
})
