// More or fewer instances, by hand.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { get, Sandbox } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

async function open(t) {
  const box = await Sandbox.open(t)
  box.agentProc = await box.agent()
  await box.ok(['run', '-d', '--name', 'api', 'app.js', '-i', '2'])
  await box.ok(['run', '-d', '--name', 'worker', 'app.js'])
  await box.ok(['scale', 'api=2', 'worker=1']) // until they are ready
  return box
}

test('a service has as many instances as were asked for, and those that stay are not touched', async (t) => {
  const box = await open(t)
  const before = await box.pids()
  const { stdout } = await box.ok(['scale', 'api=4', 'worker=+2'])
  assert.equal(stdout, 'api has 4 instances\nworker has 3 instances\n')
  assert.deepEqual(await box.names(),
    ['api.0', 'api.1', 'api.2', 'api.3', 'worker.0', 'worker.1', 'worker.2'])
  await box.ok(['scale', 'api=-3'])
  const json = await box.ok(['scale', 'worker=1', '--json'])
  assert.deepEqual(JSON.parse(json.stdout), { service: 'worker', instances: 1 })
  const after = await box.pids()
  assert.deepEqual(after, { 'api.0': before['api.0'], 'worker.0': before['worker.0'] })
  for (const node of await box.nodes()) assert.equal(node.restarts, 0)
})

test('one that left and comes again begins anew, under its old name', async (t) => {
  const box = await open(t)
  await box.ok(['scale', 'api=1'])
  await box.ok(['scale', 'api=3'])
  const nodes = (await box.nodes()).filter(({ service }) => service === 'api')
  assert.deepEqual(nodes.map(({ name, state, restarts }) => [name, state, restarts]),
    [['api.0', 'up', 0], ['api.1', 'up', 0], ['api.2', 'up', 0]])
})

test('one that was stopped by hand is one of so many again', async (t) => {
  const box = await open(t)
  await box.ok(['stop', 'api.1'])
  const { stdout } = await box.ok(['scale', 'api=3'])
  assert.equal(stdout, 'api has 3 instances\n')
  const nodes = (await box.nodes()).filter(({ service }) => service === 'api')
  assert.deepEqual(nodes.map(({ state }) => state), ['up', 'up', 'up'])
})

test('restart, reload and stop mean those that are wanted', async (t) => {
  const box = await open(t)
  await box.ok(['scale', 'api=4'])
  await box.ok(['scale', 'api=2'])
  await box.ok(['restart', 'api'])
  await box.ok(['reload', 'api'])
  assert.deepEqual((await box.names()).filter((name) => name.startsWith('api')), ['api.0', 'api.1'])
  const none = await box.done(['stop', 'api.3'])
  assert.deepEqual([none.code, none.stderr], [3, 'warren: api has no instance 3: it has 0 to 1\n'])
  await box.ok(['stop', 'api'])
  assert.deepEqual(await box.names(), ['worker.0'])
})

test('no request fails while instances come and go', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  await box.agent()
  await box.ok(['run', '-d', '--name', 'web', 'server.js', '--ready', 'listen'], { env: { PORT: port } })
  await box.ok(['scale', 'web=1']) // until it is ready
  let isOver = false
  const asking = (async () => {
    let count = 0
    for (; !isOver; count++) await get(port)
    return count
  })()
  for (const count of [5, 2, 4, 1, 9, 1, 3, 2, 6, 1]) await box.ok(['scale', `web=${count}`])
  isOver = true
  const count = await asking
  console.log(`# figure ${count} requests while it was scaled, none failed`)
  assert.ok(count > 0)
})

test('an instance that is on its way out when the agent is killed goes all the same', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  box.write('deaf.js', 'process.on("SIGTERM", () => console.log("hears")); setInterval(() => {}, 1000); console.log("runs")\n')
  await box.ok(['run', '-d', '--name', 'deaf', '--grace', '2000', 'deaf.js', '-i', '3'])
  const logs = box.warren(['logs', '-f', 'deaf'])
  await logs.until(/runs[^]*runs[^]*runs/)
  await box.ok(['scale', 'deaf=1', '--no-wait'])
  await logs.until(/deaf\.\d.*hears[^]*deaf\.\d.*hears/)
  await box.killAgent(first)
  await box.agent()
  await box.ok(['scale', 'deaf=1'])
  assert.deepEqual(await box.names(), ['deaf.0'])
})

test('an instance that still has work when the agent is killed finishes it', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const first = await box.agent()
  box.write('hold.js', `const fs = require('fs')
    require('http').createServer((request, response) => {
      console.log('holds')
      setInterval(() => fs.existsSync('go') && response.end('good'), 5)
    }).listen(process.env.PORT)\n`)
  await box.ok(['run', '-d', '--name', 'web', 'hold.js', '-i', '2', '--ready', 'listen'], { env: { PORT: port } })
  await box.ok(['scale', 'web=2'])
  const logs = box.warren(['logs', '-f', 'web'])
  const asked = [] // until one came to web.1
  while (!/web\.1.*holds/.test(logs.output)) {
    asked.push(get(port))
    await logs.until(new RegExp(`(holds[^]*){${asked.length}}`))
  }
  const answers = Promise.all(asked)
  await box.ok(['scale', 'web=1', '--no-wait', '--drain', '60s'])
  await box.killAgent(first)
  await box.agent()
  assert.deepEqual((await box.nodes()).map(({ name, state }) => `${name} ${state}`), ['web.0 up', 'web.1 draining'])
  box.write('go', '')
  assert.deepEqual(await answers, asked.map(() => 'good'))
  await box.ok(['scale', 'web=1'])
  assert.deepEqual(await box.names(), ['web.0'])
})

test('an instance that is restarted when the agent is killed comes again', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  box.write('stay.js', `setInterval(() => {}, 1000)
    process.once('SIGTERM', () => {
      console.log('stays')
      process.on('SIGTERM', () => {})
      setInterval(() => require('fs').existsSync('stay') || process.exit(), 5)
    })
    console.log('runs')\n`)
  box.write('stay', '')
  await box.ok(['run', '-d', '--name', 'app', '--grace', '60000', 'stay.js'])
  const logs = box.warren(['logs', '-f', 'app'])
  await logs.until(/runs/)
  const { 'app.0': pid } = await box.pids()
  box.warren(['restart', 'app'])
  await logs.until(/stays/)
  await box.killAgent(first)
  await box.agent()
  fs.unlinkSync(box.path('stay'))
  await box.ok(['scale', 'app=1']) // until it is ready
  assert.notEqual((await box.pids())['app.0'], pid)
  assert.deepEqual((await box.nodes()).map(({ name, state }) => `${name} ${state}`), ['app.0 up'])
})

test('a restart of one instance does not wait for those that are on their way out', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('stay.js', `setInterval(() => {}, 1000)
    process.on('SIGTERM', () => require('fs').existsSync('stay') ? console.log('stays') : process.exit())
    console.log('runs')\n`)
  await box.ok(['run', '-d', '--name', 'app', '--grace', '60000', 'stay.js', '-i', '2'])
  const logs = box.warren(['logs', '-f', 'app'])
  await logs.until(/runs[^]*runs/)
  box.write('stay', '')
  await box.ok(['scale', 'app=1', '--no-wait'])
  await logs.until(/app\.1.*stays/)
  fs.unlinkSync(box.path('stay'))
  await box.ok(['restart', 'app.0'])
  assert.deepEqual(await box.names(), ['app.0', 'app.1'])
  await box.ok(['stop', 'app', '--kill'])
})

test('what cannot be is refused with a sentence', async (t) => {
  const box = await open(t)
  const refused = async (word, code, pattern) => {
    const end = await box.done(['scale', word])
    assert.equal(end.code, code, end.stderr)
    assert.match(end.stderr, pattern)
  }
  await refused('api=0', 2, /api cannot have 0 instances: 1 to 1000 are possible/)
  await refused('api=-2', 2, /api cannot have 0 instances/)
  await refused('api=1001', 2, /up to 1000/)
  await refused('api=-99999999999999999999', 2, /up to 1000/)
  await refused('api=x', 2, /like api=4, api=\+2 or api=-1/)
  await refused('api', 2, /like api=4/)
  const twice = await box.done(['scale', 'api=2', 'api=+3'])
  assert.deepEqual([twice.code, twice.stderr], [2, 'warren: api is named twice: how many instances is it to have?\n'])
  await refused('apj=2', 3, /no service is called apj: did you mean api\?/)
  await refused('all=2', 2, /only a service can be scaled/)
  assert.equal((await box.names()).length, 3)
})
