// What a fast program, a reader that never reads, or names from outside could make grow without end (docs/limits.md).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, node
before(async () => {
  cluster = await Cluster.start()
  node = await cluster.member('node')
})
after(() => cluster.stop())

test('large messages take the place of many small ones: a queue that drops its oldest keeps 4 MiB and one message', async () => {
  const [queued, dropped, last] = await node.run(async (mesh) => {
    const small = mesh.subscribe('mixed', { overflow: 'drop-oldest' })
    for (let i = 0; i < 1000; i++) mesh.publish('mixed', i)
    for (let i = 0; i < 20; i++) {
      if (!mesh.publish('mixed', Buffer.alloc(1_000_000, i))) await new Promise((resolve) => mesh.once('drain', resolve))
    }
    await new Promise(setImmediate)
    const { queued, dropped } = small
    let last
    small.unsubscribe()
    for await (const { data } of small) last = data[0]
    return [queued, dropped, last]
  })
  assert.deepEqual([queued, dropped, last], [5, 1015, 19])
})

for (const overflow of ['pause', 'drop-newest', 'drop-oldest']) {
  test(`a mark without end keeps no more than 4 MiB of empty messages that nobody reads (${overflow})`, async () => {
    const [kept, lost, wasFalse] = await node.run(async (mesh, keep, overflow) => {
      const never = mesh.subscribe('empty', { overflow, highWaterMark: Number.MAX_SAFE_INTEGER })
      let wasFalse = false
      for (let i = 0; i < 100_000 && !wasFalse; i++) {
        wasFalse = !mesh.publish('empty', null)
        if (i % 1000 === 0) await new Promise(setImmediate)
      }
      await new Promise(setImmediate)
      const { queued, dropped } = never
      never.unsubscribe({ discard: true })
      return [queued, dropped, wasFalse]
    }, overflow)
    if (overflow === 'pause') assert.ok(wasFalse && lost === 0, `${kept} were kept`)
    else assert.ok(kept <= 4 * 2 ** 20 / 128 + 1 && kept + lost === 100_000, `${kept} kept, ${lost} lost`)
  })
}

test('what waits without end for something is refused beyond 65,536: next(), available(), monitors, calls between two tries', async () => {
  const other = await cluster.member('other')
  const id = await other.run((mesh) => mesh.self.id)
  const got = await node.run(async (mesh, keep, id) => {
    const refusal = async (work) => { try { return await work() } catch (err) { return [err.code, err.delivered, err.message] } }
    const COUNT = 65536
    const got = {}

    const silent = mesh.subscribe('silent')
    for (let i = 0; i < COUNT; i++) void silent.next()
    got.next = await refusal(() => silent.next())
    silent.unsubscribe()

    const waits = Array.from({ length: COUNT }, () => mesh.available('comes'))
    got.available = await refusal(() => mesh.available('comes'))
    const comes = await mesh.serve('comes', { f: () => 1 })
    await Promise.all(waits)
    await comes.close()

    const monitors = Array.from({ length: COUNT }, () => mesh.monitor(id))
    got.monitor = await refusal(() => mesh.monitor(id))
    monitors.pop().cancel()
    mesh.monitor(id).cancel()
    for (const monitor of monitors) monitor.cancel()

    const nobody = mesh.client('nobody', { retries: 9, timeout: 40 })
    const tries = Array.from({ length: COUNT }, () => nobody.f().catch(() => {}))
    got.retries = await refusal(() => nobody.f())
    await Promise.all(tries)
    got.after = await refusal(() => mesh.client('nobody', { retries: 1 }).f())
    return got
  }, id)
  assert.deepEqual(got, {
    next: ['ERR_WARREN_OVERLOADED', 'no', 'silent: 65536 calls of next() wait, the most that may be'],
    available: ['ERR_WARREN_OVERLOADED', 'no', 'comes: 65536 calls of available() wait, the most that may be'],
    monitor: ['ERR_WARREN_OVERLOADED', 'no', '65536 monitors are open, the most that may be'],
    retries: ['ERR_WARREN_OVERLOADED', 'no', 'nobody.f: 65536 calls are open already, the most that may be'],
    after: ['ERR_WARREN_NO_RESPONDERS', 'no', 'nobody.f: nobody serves it now (await mesh.available(), or let the call have retries)'],
  })
})

test('a monitor that fired or was cancelled makes room', async () => {
  const short = await cluster.member('short')
  const id = await short.run((mesh) => mesh.self.id)
  const fired = node.run(async (mesh, keep, id) => {
    const monitors = Array.from({ length: 65536 }, () => mesh.monitor(id))
    keep.isSet = true
    await Promise.all(monitors.map(({ down }) => down))
    const again = Array.from({ length: 65536 }, () => mesh.monitor(mesh.self))
    for (const monitor of again) monitor.cancel()
    return again.length
  }, id)
  await node.run(async (mesh, keep) => { while (!keep.isSet) await new Promise(setImmediate) })
  await short.kill()
  assert.equal(await fired, 65536)
})

test('65,536 calls may be open, and no more; a stream that nobody reads holds 65,536 next() too', async () => {
  const got = await node.run(async (mesh) => {
    const service = await mesh.serve('stuck', { wait: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)), async *none(_, { signal }) { await new Promise((resolve) => signal.addEventListener('abort', resolve)) } })
    const leave = new AbortController()
    const stuck = mesh.client('stuck', { timeout: 0, signal: leave.signal })
    const reader = await stuck.none()
    const reads = Array.from({ length: 65536 }, () => reader.next())
    const next = await reader.next().catch((err) => err.code)
    await reader.return()
    await Promise.all(reads)
    const calls = Array.from({ length: 65536 }, () => stuck.wait().catch((err) => err.code))
    const more = await stuck.wait().catch((err) => [err.code, err.delivered])
    leave.abort()
    const codes = new Set(await Promise.all(calls))
    await service.close()
    return [next, more, [...codes].sort()]
  })
  assert.deepEqual(got.slice(0, 2), ['ERR_WARREN_OVERLOADED', ['ERR_WARREN_OVERLOADED', 'no']])
  assert.ok(got[2].every((code) => ['ERR_WARREN_CANCELLED', 'ERR_WARREN_OVERLOADED'].includes(code)), got[2])
})

test('one caller has 16,384 calls open at a node, a quarter of all; one more did not run there', async () => {
  const server = await cluster.member('served')
  await server.run(async (mesh) => { await mesh.serve('full', { wait: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)) }) })
  const codes = await node.run(async (mesh) => {
    await mesh.available('full')
    const full = mesh.client('full', { timeout: 0 })
    const leave = new AbortController()
    const codes = {}
    const calls = Array.from({ length: 16384 }, () => full.wait(null, { signal: leave.signal }).catch((err) => { codes[err.code + err.delivered] = (codes[err.code + err.delivered] ?? 0) + 1 }))
    const more = await full.wait().catch((err) => err.code + err.delivered)
    leave.abort()
    await Promise.all(calls)
    return [more, codes]
  })
  assert.deepEqual(codes, ['ERR_WARREN_OVERLOADEDno', { ERR_WARREN_CANCELLEDmaybe: 16384 }])
})

test('calls of a node to itself are held to 8 MiB of inputs that are not answered', async () => {
  const [codes, rss] = await node.run(async (mesh) => {
    const service = await mesh.serve('self', { wait: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)) })
    const leave = new AbortController()
    const self = mesh.client('self', { timeout: 0, signal: leave.signal })
    const before = process.memoryUsage().rss
    const big = Buffer.alloc(1_000_000)
    const calls = Array.from({ length: 300 }, () => self.wait(big).catch((err) => [err.code, err.delivered].join()))
    await new Promise(setImmediate)
    const rss = process.memoryUsage().rss - before
    leave.abort()
    const codes = {}
    for (const code of await Promise.all(calls)) codes[code] = (codes[code] ?? 0) + 1
    await service.close()
    return [codes, rss]
  })
  assert.deepEqual(codes, { 'ERR_WARREN_CANCELLED,maybe': 9, 'ERR_WARREN_OVERLOADED,no': 291 })
  assert.ok(rss < 100e6, `${rss} bytes more`)
})

test('methods that are called by ever new names, and hooks without end, are held to a number', async () => {
  const got = await node.run(async (mesh) => {
    const client = mesh.client('gateway')
    for (let i = 0; i < 5000; i++) await client[`name${i}`]().catch(() => {})
    const code = await client.name4999().catch((err) => err.code)
    const hooks = Array.from({ length: 4096 }, () => mesh.onClose(() => {}))
    let refusal
    try { mesh.onClose(() => {}) } catch (err) { refusal = err.message }
    hooks.pop()[Symbol.dispose]()
    hooks.push(mesh.onClose(() => {}))
    for (const hook of hooks) hook[Symbol.dispose]()
    return [Object.keys(client).length, code, refusal]
  })
  assert.deepEqual(got, [1024, 'ERR_WARREN_NO_RESPONDERS', '4096 hooks are there, the most that may be'])
})

test('while the agent stands still, subscribing ends in an error before memory is used up, and goes on with it', async () => {
  const [codes, rss] = await node.run(async (mesh, keep, pid) => {
    process.kill(pid, 'SIGSTOP')
    const before = process.memoryUsage().rss
    const codes = {}
    let rss
    try {
      for (let i = 0; i < 40_000; i++) {
        const one = mesh.subscribe(`while.${i}`)
        one.ready.catch((err) => { codes[err.code] = (codes[err.code] ?? 0) + 1 })
        if (i % 100 === 0) await new Promise(setImmediate)
        one.unsubscribe()
      }
      rss = process.memoryUsage().rss - before
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    while (await mesh.subscribe('after.all').ready.then(() => false, () => true)) await new Promise(setImmediate)
    return [codes, rss]
  }, cluster.agent.pid)
  assert.ok(codes.ERR_WARREN_OVERLOADED > 0, JSON.stringify(codes))
  assert.deepEqual(Object.keys(codes).sort(), ['ERR_WARREN_CLOSED', 'ERR_WARREN_OVERLOADED'])
  assert.ok(rss < 200e6, `${rss} bytes more`)
})

test('headers count as part of their message, also those that a subscriber of diagnostics_channel adds', async () => {
  const got = await node.run(async (mesh) => {
    const { channel } = await import('node:diagnostics_channel')
    const codes = []
    const large = { h: 'x'.repeat(2 << 20) }
    try { mesh.publish('headed', 1, { headers: large }) } catch (err) { codes.push(err.code) }
    await mesh.client('nobody').f(1, { headers: large }).catch((err) => codes.push(err.code))
    const add = (event) => Object.assign(event.headers, large)
    channel('warren.publish').subscribe(add)
    try { mesh.publish('headed', 1) } catch (err) { codes.push(err.code) }
    channel('warren.publish').unsubscribe(add)
    return [codes, mesh.publish('headed', 1)]
  })
  assert.deepEqual(got, [Array(3).fill('ERR_WARREN_TOO_LARGE'), true])
})

test('of peers that are gone nothing is kept, though their messages are read later', async () => {
  const writer = await cluster.member('writer')
  await node.run(async (mesh, keep) => {
    keep.late = mesh.subscribe('late', { highWaterMark: 1 })
    await keep.late.ready
  })
  await writer.run(async (mesh) => {
    while (await mesh.request('late', 0, { timeout: 1 }).then(() => false, (err) => err.code === 'ERR_WARREN_NO_RESPONDERS')) await null
    for (let i = 1; i < 4; i++) mesh.publish('late', i)
    await mesh.flush()
  })
  const down = node.run((mesh, keep) => new Promise((resolve) => mesh.once('peer:down', resolve)).then(() => 'down'))
  await node.run(() => null)
  await writer.kill()
  await down
  const data = await node.run(async (mesh, { late }) => {
    late.unsubscribe()
    const data = []
    for await (const m of late) if (!m.wantsResponse) data.push(m.data)
    return data
  })
  assert.deepEqual(data, [1, 2, 3])
})
