// A node is asked by a request to its own server, whatever that is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, said, tell } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

const CHECKED = ['web.js', '--health-http', '/healthz', '--health-interval', '100ms']

test('it is ready when its server says so, and not when it only listens', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run([...CHECKED, '--ready', 'listen'], { env: { FIRST: '500', PORT: await freePort() } })
  const probe = await box.probes.next()
  const node = await box.untilNode('web.0', ({ reason }) => reason === 'GET /healthz answered 500')
  assert.deepEqual([node.state, node.ready], ['starting', false])
  await tell(probe, 200)
  await proc.event('web.0', 'up')
  const well = await box.node('web.0')
  assert.deepEqual([well.state, well.ready], ['up', true])
})

test('it is unhealthy after so many bad answers, and is started again as after a crash', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(CHECKED)
  const probe = await box.probes.next()
  await proc.event('web.0', 'up')
  await tell(probe, 503)
  assert.equal((await proc.event('web.0', 'unhealthy')).text, 'web.0 is unhealthy: GET /healthz answered 503 (3 in a row), and is told to end')
  assert.match((await proc.event('web.0', 'down')).text, /^web\.0 crashed \(unhealthy: GET \/healthz answered 503\), restarting in \d+ ms$/)
  await probe.gone
  await box.probes.next()
  await proc.event('web.0', 'up', proc.output.indexOf('restarting in'))
  assert.equal((await box.node('web.0')).lastExit.reason, 'unhealthy: GET /healthz answered 503')
  const types = (await box.ok(['events', 'web.0', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line).type)
  assert.deepEqual(types, ['unhealthy', 'crashed'])
})

for (const server of ['https', 'http2', 'https2', 'express', 'two'])
  test(`a server of the kind ${server} can be asked, also on a port of its own`, async (t) => {
    const box = await Sandbox.open(t)
    const proc = box.run(CHECKED, { env: { SERVER: server, FIRST: '"302"', OTHER_PORT: await freePort(), PORT: await freePort() } })
    const probe = await box.probes.next()
    await proc.event('web.0', 'up')
    await tell(probe, 404)
    assert.match((await proc.event('web.0', 'unhealthy')).text, /GET \/healthz answered 404/)
  })

test('of several servers one is named by its port', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const proc = box.run(['web.js', '--health-http', `:${port}/healthz`, '--start-timeout', '3s'],
    { env: { SERVER: 'two', OTHER_PORT: port, PORT: await freePort() } })
  assert.match((await proc.until(/"text":"(web\.0 is killed[^"]*)"/))[1], new RegExp(`\\(GET :${port}/healthz answered 500\\)$`))
})

test('a program without a server is told as that', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['web.js', '--health-http', '/healthz', '--start-timeout', '6s'], { env: { SERVER: 'none' } })
  assert.match((await proc.until(/"text":"(web\.0 is killed[^"]*)"/))[1],
    /^web\.0 is killed: it was not ready within 6000 ms \(health\.http: this program has no HTTP server that listens\)$/)
})

test('a body without an end is cut, and the answer is a good one', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(CHECKED, { env: { FIRST: '"endless"' } })
  const probe = await box.probes.next()
  await proc.event('web.0', 'up')
  await said(probe, ({ closed }) => closed)
})
