// mesh.lease(): what it takes, and what it answers. What becomes of leases when things stand still and die: e2e/lease.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster
before(async () => { cluster = await Cluster.start() })
after(() => cluster.stop())

// A module in a process of its own, to its end.
async function run(source) {
  const text = `import { join } from 'warren'; import assert from 'node:assert/strict'; const mesh = await join()\n${source}\nawait mesh.close()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { env: { ...process.env, WARREN_DIR: cluster.dir, NODE_OPTIONS: '' } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (said += more))
  const [code] = await once(child, 'close')
  assert.equal(code, 0, said)
}

test('a lease is had once, and the next one has a larger token', () => run(`
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

test('those who wait have it in the order in which they came, and who no longer waits is passed over', () => run(`
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

test('what cannot be a lease is told at once', () => run(`
  for (const ttl of [1000, 3_600_001, '1s', '61m', 'soon', NaN, -1, null, {}]) await assert.rejects(mesh.lease('job', { ttl }), RangeError, String(ttl))
  for (const wait of ['yes', -1, NaN, null]) await assert.rejects(mesh.lease('job', { wait }), RangeError, String(wait))
  for (const name of ['', 'a b', 'a\\nb', 'x'.repeat(256), undefined]) await assert.rejects(mesh.lease(name), { code: 'ERR_WARREN_BAD_NAME' })
  await assert.rejects(mesh.lease('job', { signal: 1 }), TypeError)
  for (const options of [{ ttl: 1 }, { wait: -1 }, { signal: 1 }, 7]) await assert.rejects(mesh.lease('job', options), { code: 'ERR_WARREN_BAD_ARGUMENT' })
  await assert.rejects(mesh.lease('job', { tll: '5s' }), { name: 'TypeError', message: 'lease() has no option "tll": did you mean ttl?', code: 'ERR_WARREN_BAD_ARGUMENT' })
  await assert.rejects(mesh.serve('job', { run() {} }, { exclusive: { tll: '5s' } }), { code: 'ERR_WARREN_BAD_ARGUMENT', message: /exclusive has no option "tll"/ })
  for (const call of [() => mesh.onClose(1), () => mesh.client('job', { tags: 1 }).run(), () => mesh.monitor(1)]) {
    const err = await (async () => call())().catch((err) => err)
    assert.equal(err.code, 'ERR_WARREN_BAD_ARGUMENT', String(err))
  }
  const lease = await mesh.lease('x'.repeat(255), { ttl: '1h', wait: false })
  assert.equal(lease.valid, true)
`))

test('a node has or awaits 256 at a time', () => run(`
  const leases = await Promise.all(Array.from({ length: 256 }, (_, i) => mesh.lease('job.' + i)))
  assert.equal(new Set(leases.map(({ token }) => token)).size, 256)
  await assert.rejects(mesh.lease('one.more'), { code: 'ERR_WARREN_OVERLOADED' })
  await leases[0].release()
  assert.equal((await mesh.lease('one.more')).valid, true)
`))

test('who closes the mesh has none any more, and who waits is told', () => run(`
  const lease = await mesh.lease('job')
  const waiting = mesh.lease('job')
  const refused = assert.rejects(waiting, { code: 'ERR_WARREN_CLOSED' })
  await mesh.close()
  await refused
  assert.equal(lease.valid, false)
  await assert.rejects(mesh.lease('job'), { code: 'ERR_WARREN_CLOSED' })
`))

test('a worker thread has leases of its own', () => run(`
  const { Worker } = await import('node:worker_threads')
  const lease = await mesh.lease('job')
  const worker = new Worker(\`
    const { parentPort } = require('worker_threads')
    require('warren').join().then(async (mesh) => {
      parentPort.postMessage(await mesh.lease('job', { wait: false }).catch((err) => err.code))
      parentPort.postMessage((await mesh.lease('job')).valid)
    })\`, { eval: true, execArgv: [] })
  const { on } = await import('node:events')
  const said = on(worker, 'message')
  assert.deepEqual((await said.next()).value, ['ERR_WARREN_LEASE_HELD'])
  await lease.release()
  assert.deepEqual((await said.next()).value, [true])
  await worker.terminate()
  assert.equal((await mesh.lease('job')).valid, true)
`))

test('a process that stood still finds it over by looking, and is told why', () => run(`
  const lease = await mesh.lease('job', { ttl: '2s' })
  const lost = new Promise((resolve) => lease.signal.addEventListener('abort', () => resolve(lease.signal.reason)))
  const later = Date.now() + 2500
  while (Date.now() < later); // its loop does not turn
  assert.equal(lease.valid, false)
  const { code, message } = await lost
  assert.equal(code, 'ERR_WARREN_LEASE_LOST')
  assert.match(message, /^lease job: .*stood still/)
  const next = await mesh.lease('job', { wait: 60_000 })
  assert.ok(next.valid && next.token > lease.token)
`))

test('it keeps its process, which ends when it is given back', () => run(`
  const lease = await mesh.lease('job')
  const { setTimeout: later } = await import('node:timers/promises')
  await later(20, undefined, { ref: false }) // it would end here
  await lease.release()
`))
