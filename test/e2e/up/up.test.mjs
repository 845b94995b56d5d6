// `warren up` makes what runs what the file says, and nothing more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, Sandbox } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

test('all services of the file run and are ready, and a second time nothing is touched', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  box.config({ services: {
    api: { entry: './server.js', instances: 2, ports: [port], health: { ready: 'listen' }, env: { WORD: 'hello' } },
    app: { entry: './app.js' },
  } })
  await box.agent()
  const first = await box.up(['--wait'])
  assert.deepEqual(first.planned, { api: 'start', app: 'start' })
  assert.match(await get(port), /^hello /)
  const pids = await box.pids()
  assert.deepEqual(Object.keys(pids).sort(), ['api.0', 'api.1', 'app.0'])
  const second = await box.up()
  assert.deepEqual(second.planned, { api: 'keep', app: 'keep' })
  assert.equal(second.lines.at(-1).changed, false)
  assert.deepEqual(await box.pids(), pids)
})

test('what only a cluster can follow is done without, and told in one line', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.config({ services: {
    api: { entry: './app.js', instances: { perHost: 2 }, placement: { labels: { disk: 'ssd' } }, update: { canary: 1, settle: '1s' } },
    app: { entry: './app.js', disconnect: { stopAfter: '30s' }, update: { failures: 3 } },
  } })
  const { stderr } = await box.up()
  assert.equal(stderr.split('\n')[0], 'warren: `warren up` runs all on this host, and does without services.api.placement, ' +
    'services.api.update.canary, services.api.update.settle, services.app.disconnect and 1 more: `warren deploy` follows them')
  assert.deepEqual(await box.names(), ['api.0', 'api.1', 'app.0'])
})

test('it brings its own agent when none is there, which ends with the project', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { app: { entry: './app.js' } } })
  await box.up()
  assert.deepEqual(await box.names(), ['app.0'])
  const down = await box.ok(['down'])
  assert.match(down.stdout, /is down\n$/)
  const again = await box.ok(['down'])
  assert.match(again.stdout, /^nothing of project-\S+ runs\n$/)
})

test('what is no longer in the file is stopped, what is new is started, what others run is left alone', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['run', '-d', '--name', 'mine', 'app.js'])
  box.config({ name: 'shop', services: { one: { entry: './app.js' }, two: { entry: './app.js' } } })
  await box.up()
  const before = await box.pids()
  box.config({ name: 'shop', services: { two: { entry: './app.js' }, three: { entry: './app.js' } } })
  const { planned } = await box.up()
  assert.deepEqual(planned, { one: 'stop', two: 'keep', three: 'start' })
  const after = await box.pids()
  assert.deepEqual(Object.keys(after).sort(), ['mine.0', 'three.0', 'two.0'])
  assert.equal(after['two.0'], before['two.0'])
  await box.ok(['down', '--project', 'shop'])
  assert.deepEqual(await box.names(), ['mine.0'])
})

test('a project that is down is so again by its file, and nobody knows its name any more', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.config({ name: 'shop', services: { app: { entry: './app.js' } } })
  await box.up()
  assert.equal((await box.ok(['down', '--project', 'shop'])).stdout.trim().split('\n').pop(), 'shop is down')
  for (let again = 0; again < 2; again++) {
    assert.equal((await box.ok(['down'])).stdout, 'nothing of shop runs\n')
    const byName = await box.done(['down', '--project', 'shop'])
    assert.equal(byName.code, 3)
    assert.match(byName.stderr, /^warren: no project shop is known here: nothing of it runs, and it was not deployed /)
  }
})

test('a dry run shows the same plan and does nothing, with no agent too', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { app: { entry: './app.js', instances: 3 } } })
  const { stdout } = await box.ok(['up', '--dry-run'])
  assert.equal(stdout, `+ app  3 x ${box.path('app.js')}\n`)
  assert.equal((await box.done(['ps'])).code, 4)
})

test('a service with its name that is not its own keeps the project down, with what to do', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['run', '-d', '--name', 'api', 'app.js'])
  box.config({ name: 'shop', services: { db: { entry: './app.js' }, api: { entry: './app.js' } } })
  const byHand = await box.done(['up', '-d'])
  assert.equal(byHand.code, 1)
  assert.equal(byHand.stderr, 'warren: api runs already, started by hand: `warren stop api` ends it, then `warren up` starts it\n')
  assert.deepEqual(await box.names(), ['api.0'])
  await box.ok(['stop', 'api'])
  await box.up()
  box.config({ name: 'other', services: { api: { entry: './app.js' } } })
  const others = await box.done(['up', '-d'])
  assert.equal(others.code, 1)
  assert.match(others.stderr, /^warren: api runs already, for the project shop: /)
})

test('a service that fails at its start is told with its last lines, and the others run', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('bad.js', 'console.error("no such database"); process.exit(3)\n')
  box.config({ name: 'shop', services: { bad: { entry: './bad.js', health: { ready: 'message' } }, app: { entry: './app.js' } } })
  const end = await box.done(['up', '-d'])
  assert.equal(end.code, 1)
  assert.match(end.stderr, /bad did not start: exit code 3 /)
  assert.match(end.stderr, /no such database\n/)
  assert.match(end.stderr, /shop is not up as the file says/)
  assert.match((await box.nodes()).find(({ name }) => name === 'app.0').state, /up/)
  // Mended, it is started, and nothing else is touched.
  const { 'app.0': pid } = await box.pids()
  box.write('bad.js', 'setInterval(() => {}, 1000)\nprocess.send("ready")\n')
  assert.deepEqual((await box.up()).planned, { bad: 'start', app: 'keep' })
  assert.equal((await box.pids())['app.0'], pid)
})

test('while an agent that died is not back, nothing acts as if nothing ran', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  box.config({ name: 'shop', services: { app: { entry: './app.js' } } })
  await box.up()
  const pids = await box.pids()
  await box.killAgent(first)
  for (const args of [['down'], ['up', '-d'], ['ps'], ['stop', 'app'], ['run', '-d', 'app.js'], ['down', '-p', 'shop']]) {
    const end = await box.done(args)
    assert.equal(end.code, 4, args.join(' '))
    assert.match(end.stderr, /^warren: the agent in \S+ has died, and what it ran may run on: `warren agent` takes it over\n$/)
  }
  await box.agent()
  assert.deepEqual(await box.pids(), pids)
})

test('a new agent knows the project of the one that was killed, and how many instances it has', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  box.config({ name: 'shop', services: { app: { entry: './app.js', instances: 3 } } })
  await box.up()
  await box.ok(['scale', 'app=2'])
  const pids = await box.pids()
  await box.killAgent(first)
  await box.agent()
  assert.deepEqual(await box.pids(), pids)
  const { plans } = await box.up(['--dry-run'])
  assert.deepEqual(plans, [{ type: 'planned', service: 'app', action: 'scale', from: 2, to: 3, keys: [] }])
  await box.ok(['down'])
  assert.deepEqual(await box.names(), [])
})

test('a stop signal with two names is sent, whichever of them the file says', async (t) => {
  const box = await Sandbox.open(t)
  box.write('app.js', `for (const signal of ['SIGIO', 'SIGTERM'])
    process.on(signal, () => { console.log('told by', signal); process.exit(0) })
  process.send('ready')
  setInterval(() => {}, 1000)\n`)
  box.config({ services: { app: { entry: './app.js', stop: { signal: 'SIGIO' }, health: { ready: 'message' } } } })
  await box.agent()
  await box.up(['--wait'])
  await box.ok(['stop', 'app'])
  assert.match((await box.ok(['logs', 'app'])).stdout, /told by SIGIO/)
})
