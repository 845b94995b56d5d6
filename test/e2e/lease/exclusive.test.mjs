// A service that only one node serves: mesh.serve(name, handlers, { exclusive: true }).
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Etcd } from './etcd.mjs'
import { Host } from './stage.mjs'
import { freePort } from '../ports.mjs'

const clock = fileURLToPath(new URL('programs/clock.mjs', import.meta.url))

async function stage(t, env = {}) {
  const ada = await Host.open(t)
  await ada.boot()
  await ada.ok(['run', '-d', clock, '--name', 'clock', '-i', '3', '--restart', 'never'], { env })
  return ada
}
const JOINED = `import { join } from 'warren'; import assert from 'node:assert/strict'; const mesh = await join()
  const clock = mesh.client('clock')
  await mesh.available('clock')
  const another = async (than) => {
    for (;;) {
      const answer = await clock.who(undefined, { timeout: 1000 }).catch((err) => err)
      if (answer.pid !== undefined && answer.pid !== than.pid) return answer
      await new Promise((resolve) => setTimeout(resolve, 5)) // until another answers: one that has just stopped does not
    }
  }
`
const script = (host, text) => host.script(`${JOINED}${text}\nawait mesh.close()`)

test('one of three serves, and each time that it dies another', async (t) => {
  const ada = await stage(t, { TTL: '1h' })
  await script(ada, `
    assert.equal(mesh.instances('clock').length, 1)
    let before = { token: 0n }
    for (let i = 0; i < 3; i++) {
      const now = await another(before)
      assert.ok(now.valid && now.token > before.token)
      before = now
      if (i < 2) await assert.rejects(clock.crash(), { code: 'ERR_WARREN_PEER_LOST' })
    }
  `)
})

test('one that stands still is replaced, answers nothing when it goes on, and its handlers hear of it', async (t) => {
  const ada = await stage(t)
  await script(ada, `
    const first = await another({})
    const [peer] = mesh.instances('clock')
    const slow = clock.slow(undefined, { timeout: 60_000 })
    await clock.who() // so it has begun
    process.kill(first.pid, 'SIGSTOP')
    const second = await another(first)
    assert.ok(second.token > first.token)
    const stale = clock.who(undefined, { to: peer, timeout: 60_000 })
    process.kill(first.pid, 'SIGCONT')
    await assert.rejects(stale, { code: 'ERR_WARREN_NO_RESPONDERS' })
    assert.equal(await slow, 'ERR_WARREN_LEASE_LOST')
    assert.deepEqual((await another({})).pid, second.pid)
  `)
})

test('a reload hands it on: those who stand by are ready, and one after the other goes', async (t) => {
  const ada = await stage(t, { TTL: '1h' })
  const before = JSON.parse(await script(ada, 'const { pid, token } = await another({}); console.log(JSON.stringify({ pid, token: `${token}` }))'))
  await ada.ok(['reload', 'clock'])
  const after = JSON.parse(await script(ada, 'const { pid, token } = await another({}); console.log(JSON.stringify({ pid, token: `${token}` }))'))
  assert.notEqual(after.pid, before.pid)
  assert.ok(BigInt(after.token) > BigInt(before.token))
})

test('a name is served once, and again when it was closed; a lease of the same name is another', async (t) => {
  const ada = await Host.open(t)
  await ada.boot()
  await ada.script(`import { join } from 'warren'; import assert from 'node:assert/strict'; const mesh = await join()
    const service = await mesh.serve('clock', { now: () => 7 }, { exclusive: true })
    assert.equal(service.lease.valid, true)
    assert.equal(await mesh.client('clock').now(), 7)
    await assert.rejects(mesh.serve('clock', { now: () => 8 }, { exclusive: true }), { code: 'ERR_WARREN_BAD_NAME' })
    const lease = await mesh.lease('clock', { wait: false })
    assert.equal(lease.valid, true)
    assert.deepEqual([service.stats.requests, service.name], [1, 'clock'])
    await service.close()
    assert.equal(service.lease, undefined)
    await assert.rejects(mesh.client('clock').now(), { code: 'ERR_WARREN_NO_RESPONDERS' })
    await mesh.serve('clock', { now: () => 8 }, { exclusive: { ttl: '2s' } })
    assert.equal(await mesh.client('clock').now(), 8)
    for (const ttl of ['1s', 'soon']) await assert.rejects(mesh.serve('x', { f: () => 1 }, { exclusive: { ttl } }), RangeError)
    await assert.rejects(mesh.serve('x', {}, { exclusive: true }), TypeError)
    await mesh.close()`)
})

test('who stands by and can have no lease any more says so, and goes on', async (t) => {
  const ada = await Host.open(t)
  await ada.boot()
  const program = `import { join } from 'warren'; const mesh = await join(); mesh.on('error', ({ code }) => console.log(code))
    const service = await mesh.serve('clock', { now: () => 7 }, { exclusive: true }); console.log(service.lease === undefined ? 'stands by' : 'serves')`
  const start = () => ada.start(ada.env.WARREN_NODE, ['--input-type=module', '--eval', program])
  const first = start()
  await first.until(/serves/)
  const second = start()
  await second.until(/stands by/)
  const address = `127.0.0.1:${await freePort()}`
  await ada.ok(['init', '--name', 'ada', '--listen', address, '--advertise', address]) // a host of a cluster now
  first.kill('SIGKILL')
  await second.until(/ERR_WARREN_NO_QUORUM/)
  assert.equal(second.isOver, undefined)
})

test('one that stands by is well, as far as its health check can tell', async (t) => {
  const ada = await Host.open(t)
  await ada.boot()
  await ada.ok(['run', '-d', clock, '--name', 'clock', '-i', '2', '--health-call', 'clock.who'], { env: { TTL: '1h' } })
  await ada.ok(['restart', 'clock']) // it waits until both have answered that they are
})

test('it is one in all hosts of a store', async (t) => {
  const [ada, bob] = [await Host.open(t), await Host.open(t)]
  const etcd = await Etcd.start(ada)
  for (const host of [ada, bob]) {
    await host.boot(etcd.store)
    const run = host.warren(['run', clock, '--name', 'clock', '--restart', 'never'], { cwd: path.dirname(clock), env: { TTL: '1h' } })
    host.run = run
    await run.until(host === ada ? /clock\.0 serves/ : /clock\.0 stands by/)
  }
  ada.run.kill('SIGTERM')
  await ada.run.ended
  await bob.script(`import { join } from 'warren'; const mesh = await join(); await mesh.available('clock'); await mesh.client('clock').who(); await mesh.close()`)
})
