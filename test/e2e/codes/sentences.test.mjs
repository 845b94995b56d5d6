// What commands say to people: what is where, why, and what comes next.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { test } from 'node:test'
import { Sandbox } from '../deploy/sandbox.mjs'

test('what is small is told in a unit in which it is something, and one is one', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('.warrenignore', 'ballast.bin\n')
  box.service({ instances: 1 })
  const { stdout } = await box.ok(['deploy'])
  assert.match(stdout, /^release \w+ has \d files \([\d.]+ (KiB|bytes)\); [\d.]+ (KiB|bytes) of them were new to the agent$/m)
  assert.match(stdout, /runs release 1: 1 instance of 1 service, in /)
})

test('of a node that was started cold `ps` shows the program, and why behind it', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ name: 'shop', services: { app: { entry: './app.js', nodeArgs: ['--stack-size=900'] } } })
  await box.agent()
  await box.ok(['up', '-d'])
  const [node] = await box.nodes()
  assert.ok(node.cold && node.reason, JSON.stringify(node))
  const { stdout } = await box.ok(['ps'])
  assert.ok(stdout.includes(`${box.path('app.js')} (${node.reason})`), stdout)
})

test('the only host is drained only when that is said, and the reason names it', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.deploy()
  const before = await box.pids()
  const { code, stderr } = await box.done(['drain', 'local'])
  assert.equal(code, 1)
  assert.match(stderr, /^warren: no other host may run api now, so it would stop, and nothing was done: `warren drain local --force`/m)
  assert.deepEqual(await box.pids(), before)
  await box.ok(['drain', 'local', '--force'])
  await box.until(({ services }) => /^api cannot be placed: no host is left that may run it: local is draining \(`warren undrain local` lets it come back\)$/.test(services[0].unplaced))
  await box.ok(['undrain', 'local'])
  await box.until(({ services }) => services[0].ready === 2)
})

test('of one that is not ready yet the last answer of its health check is told', async (t) => {
  const box = await Sandbox.open(t)
  box.write('server.js', "require('node:http').createServer((request, response) => response.writeHead(503).end()).listen(process.env.PORT)")
  box.service({ health: { http: '/healthz', timeout: '60s', interval: '200ms' } })
  await box.agent()
  await box.ok(['deploy', '-d'])
  await box.until(({ services }) => services[0]?.instances.some(({ state, why }) => state === 'starting' && why === 'GET /healthz answered 503'))
  await box.ok(['abort', 'shop'])
})

test('`up` ends when a service is not ready in its time, with the reason, also in the foreground', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.config({ name: 'shop', services: { app: { entry: './app.js', health: { ready: 'message', timeout: '500ms' } } } })
  for (const args of [['up', '-d'], ['restart', 'app'], ['up']]) {
    const { code, stderr } = await box.done(args)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /^warren: app did not (start|come back): app\.0 is killed: it was not ready within 500 ms \(there was no process\.send\('ready'\)\)$/m)
    if (args[1] === 'app') await box.ok(['down'])
  }
})

test('what of a file is for several hosts alone `up` says in a line', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ name: 'shop', services: { app: { entry: './app.js', instances: 2, update: { canary: 1 } } } })
  await box.agent()
  const { stderr } = await box.ok(['up', '-d'])
  assert.match(stderr, /^warren: `warren up` runs all on this host, and does without services\.app\.update\.canary: `warren deploy` follows it$/m)
})

test('who has a port that a program wants is told, and what to do', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.service({ instances: 1 })
  await box.ok(['up', '-d'])
  box.service({ instances: 1, restart: 'never' }, 'web')
  box.write('warren.config.mjs', fs.readFileSync(box.path('warren.config.mjs'), 'utf8').replace('"shop"', '"other"'))
  const mine = await box.done(['up', '-d'])
  assert.equal(mine.code, 1)
  assert.match(mine.stderr, new RegExp(`^warren: web\\.0 cannot listen: port ${box.port} is in use by the service api: give one of them another$`, 'm'))
  assert.match(mine.stderr, new RegExp(`web did not start: exit code 1: port ${box.port} is in use by the service api`))
  const other = net.createServer().listen(0)
  await once(other, 'listening')
  const { port } = other.address()
  box.service({ instances: 1, restart: 'never', env: { PORT: String(port) } }, 'last')
  box.write('warren.config.mjs', fs.readFileSync(box.path('warren.config.mjs'), 'utf8').replace('"shop"', '"more"'))
  const { code, stderr } = await box.done(['up', '-d'])
  other.close()
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`last\\.0 cannot listen: port ${port} is in use by another program: end it \\(\`ss -ltnp\` shows it\\), or choose another$`, 'm'))
})
