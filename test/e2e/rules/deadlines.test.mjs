// Rule: the deadline of a call travels with it as the time that is left; time in queues counts; what is too late never runs; the
// calls of a handler have no more time than the one they are part of.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, server, caller
before(async () => {
  cluster = await Cluster.start()
  ;[server, caller] = await cluster.members('server', 'caller')
  await server.run(async (mesh, keep) => {
    const { existsSync } = await import('node:fs')
    const tools = mesh.client('tools')
    keep.runs = 0
    keep.nested = new Promise(resolve => { keep.onNested = resolve })
    await mesh.serve('tools', {
      take: () => null,
      timeLeft: (_, context) => context.timeLeft,
      count: () => ++keep.runs,
      stand(file) { while (!existsSync(file)); }, // its loop does not turn
      async relay(options) {
        await null
        return tools.timeLeft(null, options)
      },
      async tooLate(_, { signal }) {
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        keep.onNested(await tools.count().catch(({ code, delivered }) => ({ code, delivered })))
      },
      after() { keep.background = new Promise(resolve => { keep.go = resolve }).then(() => tools.timeLeft(null, { timeout: 60_000 })) },
      async *items() {
        yield 'begun'
        yield await tools.timeLeft(null, { timeout: 60_000 })
      },
    })
  })
  await caller.run((mesh, keep) => mesh.available('tools').then(() => { keep.tools = mesh.client('tools') }))
})
after(() => cluster.stop())

test('the time that a call waits for room is taken from what is left', async () => {
  server.process.kill('SIGSTOP')
  await caller.run((mesh, keep) => {
    // More than the server takes before it reads, so that the last one waits here.
    keep.before = Array.from({ length: 5 }, () => keep.tools.take(Buffer.alloc(900_000), { timeout: 0 }))
    keep.left = keep.tools.timeLeft(null, { timeout: 60_000 })
  })
  const since = performance.now()
  while (performance.now() - since < 300) await caller.run(async () => { await new Promise(setImmediate) })
  const waited = performance.now() - since
  server.process.kill('SIGCONT')
  const left = await caller.run((mesh, keep) => Promise.all(keep.before).then(() => keep.left))
  // The clocks of both ends count whole milliseconds.
  assert.ok(left <= 60_005 - waited, `${left} ms are left of 60,000 after ${waited}`)
})

test('calls whose time is over before the loop of their node turns never run', async () => {
  const file = join(cluster.dir, 'go')
  const codes = await caller.run(async (mesh, keep, file) => {
    keep.standing = keep.tools.stand(file, { timeout: 0 })
    const codes = await Promise.all(Array.from({ length: 100 }, () => keep.tools.count(null, { timeout: 20 }).then(() => 'ran', err => err.code)))
    await mesh.flush() // that it gave up lies behind each of them
    return codes
  }, file).finally(() => writeFileSync(file, ''))
  await caller.run((mesh, keep) => keep.standing)
  assert.deepEqual(new Set(codes), new Set(['ERR_WARREN_TIMEOUT']))
  assert.equal(await server.run((mesh, keep) => keep.runs), 0)
})

test('a call of a handler has no more time than the one it is part of, also after an await', async () => {
  const left = await caller.run((mesh, { tools }) => Promise.all([
    tools.relay({ timeout: 60_000 }, { timeout: 3000 }), tools.relay({ timeout: 0 }, { timeout: 3000 }), tools.relay({ timeout: 2000 }, { timeout: 60_000 })]))
  assert.ok(left[0] > 0 && left[0] <= 3000 && left[1] > 0 && left[1] <= 3000 && left[2] > 0 && left[2] <= 2000, left.join())
  assert.equal(await caller.run((mesh, { tools }) => tools.relay({ timeout: 0 }, { timeout: 0 })), Infinity)
})

test('what a handler asks for when its own time is over is not sent', async () => {
  const runs = await server.run((mesh, keep) => keep.runs)
  await assert.rejects(caller.run((mesh, { tools }) => tools.tooLate(null, { timeout: 50 })), { code: 'ERR_WARREN_TIMEOUT' })
  assert.deepEqual(await server.run((mesh, keep) => keep.nested), { code: 'ERR_WARREN_TIMEOUT', delivered: 'no' })
  assert.equal(await server.run((mesh, keep) => keep.runs), runs)
})

test('what goes on behind the answer has time of its own, and so has a stream that has begun', async () => {
  await caller.run((mesh, { tools }) => tools.after(null, { timeout: 1000 }))
  assert.ok(await server.run((mesh, keep) => { keep.go(); return keep.background }) > 1000)
  const items = await caller.run(async (mesh, { tools }) => {
    const items = []
    for await (const item of tools.items(null, { timeout: 1000 })) items.push(item)
    return items
  })
  assert.ok(items[1] > 1000, items.join())
})

test('a handler that is the first of its process to call anybody has its time limited as well', async () => {
  const [fresh] = await cluster.members('fresh')
  await fresh.run(async mesh => {
    await mesh.serve('fresh', {
      async relay() {
        const target = mesh.client('deadline-of')
        await new Promise(setImmediate)
        return target.left(null, { timeout: 60_000 })
      },
    })
  })
  await server.run(async mesh => { await mesh.serve('deadline-of', { left: (input, { timeLeft }) => timeLeft }) })
  const left = await caller.run(async mesh => {
    await Promise.all([mesh.available('fresh'), mesh.available('deadline-of')])
    return mesh.client('fresh').relay(null, { timeout: 3000 })
  })
  assert.ok(left > 0 && left <= 3000, String(left))
})
