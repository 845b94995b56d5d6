// Rule: an AbortSignal at the caller aborts the handler's signal; late replies are dropped.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, server, caller
before(async () => {
  cluster = await Cluster.start()
  ;[server, caller] = await cluster.members('server', 'caller')
  await server.run(async (mesh, keep) => {
    keep.aborted = 0
    keep.calls = 0
    await mesh.serve('tools', {
      echo: value => value,
      take: () => null,
      count: () => ++keep.calls,
      async relay(_, { signal }) { await mesh.client('tools').hang(null, { signal, timeout: 0 }) },
      hang: (_, { signal }) => new Promise(() => {
        signal.addEventListener('abort', () => keep.aborted++)
        keep.onHang?.()
      }),
      async late(value, { signal }) {
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        return value
      },
    })
  })
  await caller.run((mesh, keep) => mesh.available('tools').then(() => { keep.tools = mesh.client('tools') }))
})
after(() => cluster.stop())

// Makes a call in the caller that the test cancels when its handler runs; resolves with how often a signal was aborted by it.
const cancelWhenRunning = async (method) => {
  const before = await server.run((mesh, keep) => keep.aborted)
  const running = server.run((mesh, keep) => new Promise(resolve => { keep.onHang = resolve }))
  const call = caller.run((mesh, keep, method) => {
    keep.control = new AbortController()
    return keep.tools[method](null, { timeout: 0, signal: keep.control.signal })
  }, method)
  const rejected = assert.rejects(call, { code: 'ERR_WARREN_CANCELLED', delivered: 'maybe' })
  await running
  await caller.run((mesh, keep) => keep.control.abort())
  await rejected
  await server.run(async (mesh, keep, wanted) => { while (keep.aborted < wanted) await new Promise(setImmediate) }, before + 1)
}

test('an AbortSignal cancels the call and aborts the signal of its handler', () => cancelWhenRunning('hang'))

test('a handler that passes its signal on cancels its own calls with it', () => cancelWhenRunning('relay'))

test('a signal that was aborted before sends nothing', async () => {
  await assert.rejects(caller.run((mesh, { tools }) => tools.echo(1, { signal: AbortSignal.abort() })), { delivered: 'no' })
})

test('a call that waits for room when it is cancelled never runs, and says so', async () => {
  server.process.kill('SIGSTOP')
  const delivered = await caller.run(async (mesh, keep) => {
    // More than the server takes before it reads, and less than may wait.
    keep.before = Array.from({ length: 5 }, () => keep.tools.take(Buffer.alloc(900_000), { timeout: 0 }))
    const control = new AbortController()
    const call = keep.tools.count(null, { timeout: 0, signal: control.signal }).catch(err => err)
    await new Promise(setImmediate)
    control.abort()
    const { code, delivered } = await call
    return [code, delivered]
  })
  server.process.kill('SIGCONT')
  await caller.run((mesh, keep) => Promise.all(keep.before))
  assert.deepEqual(delivered, ['ERR_WARREN_CANCELLED', 'no'])
  assert.equal(await server.run((mesh, keep) => keep.calls), 0)
})

test('the answer of a handler that goes on after all meets nobody', async () => {
  const [first, second] = await caller.run(async (mesh, { tools }) => {
    const control = new AbortController()
    const late = tools.late('late', { signal: control.signal, timeout: 0 }).catch(err => err.code)
    await tools.echo('it runs by now')
    control.abort()
    return [await late, await tools.echo('next')] // the next call has its slot
  })
  assert.deepEqual([first, second], ['ERR_WARREN_CANCELLED', 'next'])
})

test('five thousand calls, half of them cancelled at some time: each ends once, with its own answer or as cancelled', async () => {
  const [answered, cancelled, wrong] = await caller.run(async (mesh, { tools }) => {
    let answered = 0, cancelled = 0, wrong = 0, next = 0
    const one = async () => {
      while (next < 5000) {
        const id = next++, control = new AbortController()
        const call = tools.echo(id, { signal: control.signal })
        if (id % 2 === 0) { if (id % 4 === 0) await null; else await new Promise(setImmediate); control.abort() }
        const got = await call.catch(err => err.code)
        if (got === id) answered++
        else if (got === 'ERR_WARREN_CANCELLED' && id % 2 === 0) cancelled++
        else wrong++
      }
    }
    await Promise.all(Array.from({ length: 50 }, one))
    return [answered, cancelled, wrong]
  })
  assert.equal(wrong, 0)
  assert.ok(answered >= 2500 && answered + cancelled === 5000, `${answered} answered, ${cancelled} cancelled`)
})
