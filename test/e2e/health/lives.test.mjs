// Checks through what happens to a service: a loop that stands still, changes, more instances, another agent.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { get } from '../up/sandbox.mjs'
import { Sandbox, tell } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

async function open(t, settings) {
  const box = await Sandbox.open(t)
  const port = await freePort()
  box.port = port
  box.web = (more) => box.config({ name: 'shop', services: { web: {
    entry: './web.js', passEnv: ['PROBE'], ports: [port], health: { ready: 'listen', http: '/healthz', interval: '100ms', timeout: '20s' }, ...settings, ...more,
  } } })
  box.agentProc = await box.agent()
  return box
}

const restarts = ({ restarts }) => restarts > 0

test('whose loop stands still gives no answer: the agent measures the time', async (t) => {
  const box = await open(t, { health: { http: '/healthz', interval: '100ms', checkTimeout: '1s', failures: 2 }, stop: { grace: '100ms' } })
  box.web()
  await box.up()
  const probe = await box.probes.next()
  probe.socket.write('"spin"\n')
  await probe.gone
  const node = await box.untilNode('web.0', restarts)
  assert.equal(node.lastExit.reason, 'unhealthy: GET /healthz: no answer within 1000 ms')
})

test('a request that is not answered is given up', async (t) => {
  const box = await open(t, { health: { http: '/healthz', interval: '100ms', checkTimeout: '2s', failures: 2 } })
  box.web()
  await box.up()
  await tell(await box.probes.next(), 'hang')
  const node = await box.untilNode('web.0', restarts)
  assert.equal(node.lastExit.reason, 'unhealthy: GET /healthz: no answer within 2000 ms')
})

test('a new program that is not well leaves the old ones serving', async (t) => {
  const box = await open(t, { instances: 2 })
  box.web()
  await box.up()
  const before = await box.pids()
  box.web({ env: { FIRST: '500' }, health: { ready: 'listen', http: '/healthz', interval: '100ms', timeout: '10s' } })
  const end = await box.done(['up', '-d'])
  assert.equal(end.code, 1)
  assert.match(end.stdout + end.stderr, /the new web\.\d was not ready within 10000 ms: GET \/healthz answered 500/)
  assert.deepEqual(await box.pids(), before)
  assert.match(await get(box.port), /^\d+$/)
})

test('another question is first answered by new instances: a wrong path changes nothing', async (t) => {
  const box = await open(t)
  box.web()
  await box.up()
  const before = await box.pids()
  const health = { ready: 'listen', http: ':1/healthz', interval: '100ms', timeout: '3s' }
  box.web({ health })
  const { plans } = await box.up([], 1)
  assert.deepEqual(plans[0].keys, ['health.timeout', 'health.http'])
  assert.deepEqual(await box.pids(), before)
  box.web({ health: { ...health, http: '/healthz', interval: '200ms' } })
  const again = await box.up()
  assert.deepEqual(again.plans[0].keys, ['health.timeout', 'health.interval'])
  assert.deepEqual(await box.pids(), before) // rules alone
  await tell(await box.probes.next(), 500)
  await box.untilNode('web.0', restarts) // it is asked as before
})

test('checks begin and end with a change, and an instance that is added is asked too', async (t) => {
  const box = await open(t, { health: { ready: 'listen' }, env: { FIRST: '500' } })
  box.web()
  await box.up()
  assert.deepEqual((await box.node('web.0')).state, 'up') // nobody asks
  box.web({ health: { ready: 'listen', http: '/healthz', interval: '100ms', timeout: '20s' }, env: { FIRST: '200' } })
  await box.up()
  await box.probes.take(2)
  await box.ok(['scale', 'web=2'])
  const probe = await box.probes.next()
  await tell(probe, 500)
  await box.untilNode('web.1', restarts)
  box.web({ health: { ready: 'listen' }, env: { FIRST: '200' }, instances: 2 })
  await box.up()
  const probes = await box.probes.take(3) // the one that was started again, and the new ones
  for (const one of probes.slice(1)) await tell(one, 500)
  assert.deepEqual((await box.nodes()).map(({ state, restarts }) => [state, restarts]), [['up', 0], ['up', 0]])
})

test('the next agent goes on asking, and knows of one that was told to end for its answers', async (t) => {
  const box = await open(t, { instances: 2, stop: { grace: '60s', signal: 'SIGUSR2' } })
  box.write('web.js', `process.on('SIGUSR2', () => {})\n${fs.readFileSync(box.path('web.js'))}`) // deaf
  box.web()
  await box.up()
  const [one, other] = await box.probes.take(2)
  await tell(one, 500)
  const { name } = (await box.nodes()).find(({ pid }) => pid === one.pid)
  await box.untilNode(name, ({ state }) => state === 'unhealthy')
  await box.killAgent(box.agentProc)
  await box.agent()
  assert.equal((await box.untilNode(name, () => true)).state, 'unhealthy')
  process.kill(one.pid, 'SIGKILL')
  const again = await box.untilNode(name, restarts)
  assert.equal(again.lastExit.reason, 'unhealthy: GET /healthz answered 500')
  await tell(other, 503)
  const { name: second } = (await box.nodes()).find(({ pid }) => pid === other.pid)
  await box.untilNode(second, ({ state, reason }) => state === 'unhealthy' && reason === 'GET /healthz answered 503')
  box.probes.kill() // they hear no stop signal
})
