// A node is asked by a call of its own method; who is not well is not chosen by others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, said, tell } from './sandbox.mjs'

const CHECKED = ['api.mjs', '--health-call', 'api.health', '--health-interval', '100ms']

const who = async (box) => (await box.ok(['call', 'api', 'name'])).stdout.trim()

test('a handler that throws makes it unhealthy, and nobody chooses it while it is told to end', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run([...CHECKED, '-i', '2', '--grace', '60s'], { env: { DEAF: '1' } })
  const probes = await box.probes.take(2)
  await Promise.all([proc.event('api.0', 'up'), proc.event('api.1', 'up')])
  await tell(probes.find(({ name }) => name === 'api.0'), 'ill')
  assert.match((await proc.event('api.0', 'unhealthy')).text, /^api\.0 is unhealthy: api\.health failed: Error: the database is away \(3 in a row\), /)
  assert.equal((await box.node('api.0')).state, 'unhealthy')
  assert.match((await box.ok(['ps'])).stdout, /^api\.0 +unhealthy/m)
  for (let i = 0; i < 8; i++) assert.equal(await who(box), '"api.1"')
  box.probes.kill() // it hears no stop signal
})

test('who has not said yet that it is well is chosen by nobody', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run([...CHECKED, '-i', '2'], { env: { FIRST: 'ill' } })
  const probes = await box.probes.take(2)
  const one = probes.find(({ name }) => name === 'api.1')
  await tell(one, 'well')
  await proc.event('api.1', 'up')
  for (let i = 0; i < 8; i++) assert.equal(await who(box), '"api.1"')
  await tell(probes.find(({ name }) => name === 'api.0'), 'well')
  await proc.event('api.0', 'up')
  const names = new Set()
  while (names.size < 2) names.add(await who(box))
})

test('with health.call and health.http both must be well', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run([...CHECKED, '--health-http', '/healthz', '--start-timeout', '5s'])
  assert.match((await proc.until(/"text":"(api\.0 is killed[^"]*)"/))[1], /health\.http: this program has no HTTP server that listens/)
})

test('a stream is well when it begins', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['api.mjs', '--health-call', 'api.lines', '--health-interval', '100ms'])
  await proc.event('api.0', 'up')
})

for (const [call, text] of [['apii.health', 'this node does not serve apii'], ['api.helth', 'api has no method helth']])
  test(`${call}: ${text}`, async (t) => {
    const box = await Sandbox.open(t)
    const proc = box.run(['api.mjs', '--health-call', call, '--ready', 'started', '--start-timeout', '3s'])
    assert.match((await proc.until(/"text":"(api\.0 is killed[^"]*)"/))[1], new RegExp(`not ready within 3000 ms \\(health\\.call: ${text}\\)$`))
  })

test('a handler that does not come back is told that its time is over, and is no good answer', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { api: { entry: './api.mjs', passEnv: ['PROBE'], health: { call: 'api.health', interval: '100ms', checkTimeout: '2s', failures: 2 }, stop: { grace: '60s' }, env: { DEAF: '1' } } } })
  await box.agent()
  await box.up()
  const probe = await box.probes.next()
  await tell(probe, 'hang')
  assert.equal((await said(probe, ({ aborted }) => aborted)).aborted, 'ERR_WARREN_TIMEOUT')
  const node = await box.untilNode('api.0', ({ state }) => state === 'unhealthy')
  assert.equal(node.reason, 'api.health: no answer within 2000 ms')
  box.probes.kill() // it hears no stop signal
})
