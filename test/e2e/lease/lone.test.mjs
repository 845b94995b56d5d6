// One host without etcd: leases that are exclusive on it, and what mesh.lease() takes and answers.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { freePort } from './etcd.mjs'
import { Resource } from './resource.mjs'
import { Host } from './stage.mjs'

async function host(t) {
  const ada = await Host.open(t)
  await ada.boot()
  return ada
}

// Two holders on one host; the first has it.
async function stage(t, ...wishes) {
  const ada = await host(t)
  const resource = await Resource.open(t, path.join(ada.dir, 'resource.sock'))
  const pids = []
  for (const [i, wish] of wishes.entries()) {
    pids.push(await ada.holder(resource, ['one', 'two'][i], wish))
    if (i === 0) await resource.write('the first has it')
  }
  return { ada, resource, pids }
}
const of = (name) => ({ who }) => who === name

const JOINED = "import { join } from 'warren'; import assert from 'node:assert/strict'; const mesh = await join()\n"
const run = async (t, text) => (await host(t)).script(`${JOINED}${text}\nawait mesh.close()`)

test('a lease is had once, and the next one has a larger token', (t) => run(t, `
  const first = await mesh.lease('job')
  assert.deepEqual([first.name, typeof first.token, first.valid, first.signal.aborted], ['job', 'bigint', true, false])
  assert.equal((await mesh.lease('another', { ttl: 2000 })).valid, true)
  await assert.rejects(mesh.lease('job', { wait: false }), { code: 'ERR_WARREN_LEASE_HELD', subject: 'job', message: /^lease job: .* of this host has it$/ })
  await assert.rejects(mesh.lease('job', { wait: 1 }), { code: 'ERR_WARREN_LEASE_HELD', message: /waited 1 ms/ })
  const second = mesh.lease('job')
  await first.release()
  await first.release()
  assert.deepEqual([first.valid, first.signal.aborted, (await second).valid], [false, false, true])
  assert.ok((await second).token > first.token)
  await (await second)[Symbol.asyncDispose]()
  assert.equal((await second).valid, false)
`))

test('those who wait have it in the order in which they came, and who no longer waits is passed over', (t) => run(t, `
  const first = await mesh.lease('job')
  const order = []
  const stop = new AbortController()
  const waits = [1, 2, 3, 4].map(async (number) => {
    const lease = await mesh.lease('job', number === 2 ? { signal: stop.signal } : {})
    order.push(number)
    await lease.release()
  })
  stop.abort(new Error('enough'))
  await assert.rejects(waits[1], { code: 'ERR_WARREN_CANCELLED', cause: new Error('enough') })
  await assert.rejects(mesh.lease('job', { signal: stop.signal }), { code: 'ERR_WARREN_CANCELLED' })
  await first.release()
  await Promise.allSettled(waits)
  assert.deepEqual(order, [1, 3, 4])
`))

test('what cannot be a lease is told at once', (t) => run(t, `
  for (const ttl of [1000, 3_600_001, '1s', '61m', 'soon', NaN, -1, null, {}]) await assert.rejects(mesh.lease('job', { ttl }), RangeError, String(ttl))
  for (const wait of ['yes', -1, NaN, null]) await assert.rejects(mesh.lease('job', { wait }), RangeError, String(wait))
  for (const name of ['', 'a b', 'a\\nb', 'x'.repeat(256), undefined]) await assert.rejects(mesh.lease(name), { code: 'ERR_WARREN_BAD_NAME' })
  await assert.rejects(mesh.lease('job', { signal: 1 }), TypeError)
  const lease = await mesh.lease('x'.repeat(255), { ttl: '1h', wait: false })
  assert.equal(lease.valid, true)
`))

test('a node has or awaits 256 at a time', (t) => run(t, `
  const leases = await Promise.all(Array.from({ length: 256 }, (_, i) => mesh.lease('job.' + i)))
  assert.equal(new Set(leases.map(({ token }) => token)).size, 256)
  await assert.rejects(mesh.lease('one.more'), { code: 'ERR_WARREN_OVERLOADED' })
  await leases[0].release()
  assert.equal((await mesh.lease('one.more')).valid, true)
`))

test('who closes the mesh has none any more, and who waits is told', (t) => run(t, `
  const lease = await mesh.lease('job')
  const waiting = mesh.lease('job')
  const refused = assert.rejects(waiting, { code: 'ERR_WARREN_CLOSED' })
  await mesh.close()
  await refused
  assert.equal(lease.valid, false)
  await assert.rejects(mesh.lease('job'), { code: 'ERR_WARREN_CLOSED' })
`))

test('a worker thread has leases of its own', (t) => run(t, `
  const { Worker } = await import('node:worker_threads')
  const lease = await mesh.lease('job')
  const worker = new Worker(\`
    const { parentPort } = require('worker_threads')
    require('warren').join().then(async (mesh) => {
      parentPort.postMessage(await mesh.lease('job', { wait: false }).catch((err) => err.code))
      parentPort.postMessage((await mesh.lease('job')).valid)
    })\`, { eval: true })
  const { on } = await import('node:events')
  const said = on(worker, 'message')
  assert.deepEqual((await said.next()).value, ['ERR_WARREN_LEASE_HELD'])
  await lease.release()
  assert.deepEqual((await said.next()).value, [true])
  await worker.terminate()
  assert.equal((await mesh.lease('job')).valid, true)
`))

test('a holder that dies makes room at once', async (t) => {
  const { resource, pids } = await stage(t, { TTL: '1h' }, { TTL: '1h' })
  process.kill(pids[0], 'SIGKILL')
  await resource.write('the other has it', of('two'))
  resource.mustBeExclusive()
})

test('a holder that stands still loses it, is not valid when it goes on, and hears why', async (t) => {
  const { resource, pids } = await stage(t, {}, {})
  process.kill(pids[0], 'SIGSTOP')
  await resource.write('the other has it', of('two'))
  const from = resource.said.length
  process.kill(pids[0], 'SIGCONT')
  assert.equal((await resource.says('lost', 'one', from)).code, 'ERR_WARREN_LEASE_LOST')
  resource.mustBeExclusive()
})

test('an agent that stands still: the holder is not valid after its time, and one is when it goes on', async (t) => {
  const { ada, resource } = await stage(t, {}, {})
  ada.agentProcess.kill('SIGSTOP')
  await resource.says('lost', 'one')
  const from = resource.said.length
  ada.agentProcess.kill('SIGCONT')
  await resource.until('somebody has it', ({ token, says }) => token !== undefined && says === undefined, from)
  resource.mustBeExclusive()
})

test('an agent that is killed: the next one keeps the lease with its node', async (t) => {
  const { ada, resource } = await stage(t, { TTL: '20s' }, { TTL: '20s' })
  await ada.killBoot()
  await ada.boot()
  const booted = process.hrtime.bigint()
  await resource.write('it lasts', ({ at }) => BigInt(at) > booted + 21_000_000_000n)
  assert.deepEqual([...resource.spans.values()].map(({ who }) => who), ['one'])
})

test('in a cluster a store of one host promises nothing, and says what would', async (t) => {
  const ada = await host(t)
  const address = `127.0.0.1:${await freePort()}`
  await ada.ok(['init', '--name', 'ada', '--listen', address, '--advertise', address])
  await ada.script(`${JOINED}
    for (const wait of [false, true]) await assert.rejects(mesh.lease('job', { wait }), { code: 'ERR_WARREN_NO_QUORUM', message: /in a cluster and its store, sqlite:.* is its own: .*--store etcd/ })
    await assert.rejects(mesh.serve('svc', { f: () => 1 }, { exclusive: true }), { code: 'ERR_WARREN_NO_QUORUM' })
    await mesh.close()`)
})

test('a store that does not answer is told to who does not wait, or not for so long', async (t) => {
  const ada = await Host.open(t)
  await ada.boot('etcd://127.0.0.1:1/x')
  await ada.script(`${JOINED}
    await assert.rejects(mesh.lease('job', { wait: false }), { code: 'ERR_WARREN_NO_QUORUM', message: /etcd at 127.0.0.1:1 cannot be asked/ })
    await assert.rejects(mesh.lease('job', { wait: 10_000 }), { code: 'ERR_WARREN_NO_QUORUM', message: /etcd at 127.0.0.1:1 cannot be asked.*waited 10000 ms/ })
    await mesh.close()`)
})
