// Answers that are streams, between two processes: what the reader sees, what the source sees, and how each ends.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, server, caller
before(async () => {
  cluster = await Cluster.start()
  ;[server, caller] = await cluster.members('server', 'caller')
  await server.run(serveStreams)
  await caller.run(async (mesh, keep) => {
    await mesh.available('streams')
    keep.streams = mesh.client('streams')
    keep.rejection = (promise) => promise.then(() => 'resolved', (err) => err)
  })
})
after(() => cluster.stop())

async function serveStreams(mesh, keep) {
  const { AsyncLocalStorage } = await import('node:async_hooks')
  const { Readable } = await import('node:stream')
  const scope = new AsyncLocalStorage()
  Object.assign(keep, { sent: 0, ended: 0, aborted: null })
  // Resolves when `is` holds: it looks again in each turn of the loop.
  keep.until = async (is) => { while (!is()) await new Promise(setImmediate) }
  const service = await mesh.serve('streams', {
    async *count(n) { for (let i = 0; i < n; i++) yield { i } },
    async *nothing() {},
    async *values() { yield undefined; yield null; yield new Map([[1, new Date(5)]]); yield Buffer.from('bytes') },
    async *breaks() { yield 1; yield 2; throw Object.assign(new RangeError('too far'), { code: 'E_FAR', cause: new Error('why') }) },
    async *unsendable() { yield 1; yield () => 1 },
    // Counts what it gave away; how it ended is kept.
    async *endless(len, { signal }) {
      keep.sent = 0
      signal.addEventListener('abort', () => (keep.aborted = signal.reason.code))
      try {
        for (;;) { yield Buffer.alloc(len); keep.sent += len }
      } finally {
        keep.ended++
      }
    },
    // Slow at first, so that its reader waits for each window; then as far ahead as it may.
    async *warms(slowCount) {
      keep.sent = 0
      for (;; keep.sent++) {
        if (keep.sent < slowCount) await new Promise((resolve) => setTimeout(resolve, 2))
        yield Buffer.alloc(16 << 10)
      }
    },
    async *silent(_, { signal }) {
      try {
        yield 'first'
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      } finally {
        keep.ended++
      }
    },
    readable: (n) => Readable.from(Array.from({ length: n }, (_, i) => Buffer.alloc(1000, i))),
    stuck() {
      const stream = new Readable({ read() {} })
      stream.on('close', () => keep.ended++)
      stream.push('first')
      return stream
    },
    async web() {
      return new ReadableStream({ start(c) { c.enqueue('a'); c.enqueue('b'); c.close() }, cancel() { keep.ended++ } })
    },
    async webStuck() {
      return new ReadableStream({ start(c) { c.enqueue('a') }, cancel() { keep.ended++ } })
    },
    async *inScope(id) { scope.enterWith(id); yield scope.getStore(); await new Promise(setImmediate); yield scope.getStore() },
    plain: () => [1, 2, 3],
    sleep: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
  })
  keep.service = service
}

const ended = (member, wanted) => member.run(async (mesh, keep, wanted) => { await keep.until(() => keep.ended >= wanted) }, wanted)
const endedSoFar = (member) => member.run((mesh, keep) => keep.ended)
const idle = (member) => member.run(async (mesh, keep) => { await keep.until(() => keep.service.stats.inFlight === 0) })

test('what an async generator yields is read in order, by for await', async () => {
  const got = await caller.run(async (mesh, { streams }) => {
    let n = 0
    for await (const { i } of streams.count(50_000)) if (i !== n++) return `${i} after ${n}`
    return n
  })
  assert.equal(got, 50_000)
})

test('items are values of every kind, a stream may be empty, and its end stays the end', async () => {
  const got = await caller.run(async (mesh, { streams }) => {
    const values = []
    for await (const value of streams.values()) values.push(value)
    const nothing = await streams.nothing()
    return { values, ends: [await nothing.next(), await nothing.next()] }
  })
  assert.deepEqual(got.values, [undefined, null, new Map([[1, new Date(5)]]), Buffer.from('bytes')])
  assert.deepEqual(got.ends, [{ value: undefined, done: true }, { value: undefined, done: true }])
})

test('what the generator throws comes behind its items, once, with class, code and cause', async () => {
  const got = await caller.run(async (mesh, { streams, rejection }) => {
    const items = []
    const stream = await streams.breaks()
    items.push((await stream.next()).value, (await stream.next()).value)
    const err = await rejection(stream.next())
    return [items, err instanceof RangeError, err.code, err.cause.message, err.delivered, (await stream.next()).done]
  })
  assert.deepEqual(got, [[1, 2], true, 'E_FAR', 'why', 'maybe', true])
})

test('an item that cannot be sent ends the stream with an error that says why', async () => {
  const got = await caller.run(async (mesh, { streams, rejection }) => {
    const stream = await streams.unsendable()
    return [(await stream.next()).value, (await rejection(stream.next())).code]
  })
  assert.deepEqual(got, [1, 'ERR_WARREN_NOT_CLONEABLE'])
  await idle(server)
})

test('leaving the loop aborts the signal of the handler and runs the finally of the generator', async () => {
  const before = await endedSoFar(server)
  await caller.run(async (mesh, { streams }) => { for await (const chunk of streams.endless(1000)) if (chunk.length > 0) break })
  await ended(server, before + 1)
  assert.equal(await server.run((mesh, keep) => keep.aborted), 'ERR_WARREN_CANCELLED')
  await idle(server)
})

test('an AbortSignal ends the loop with an error, and the generator, also one that waits', async () => {
  const before = await endedSoFar(server)
  const code = await caller.run(async (mesh, { streams }) => {
    const control = new AbortController()
    try {
      for await (const item of streams.silent(0, { signal: control.signal, timeout: 0 })) if (item === 'first') control.abort()
    } catch (err) {
      return err.code
    }
  })
  assert.equal(code, 'ERR_WARREN_CANCELLED')
  await ended(server, before + 1)
  await idle(server)
})

test('a reader that takes nothing holds the generator: what was sent is bounded, and other calls go on', async () => {
  await caller.run(async (mesh, keep) => {
    keep.slow = await keep.streams.endless(16 << 10)
    await keep.slow.next()
  })
  // What may be sent has been sent when nothing changes in a call's round trip after the next.
  const sent = () => server.run((mesh, keep) => keep.sent)
  for (let last = -1, now = await sent(); now !== last; now = await sent()) {
    last = now
    assert.deepEqual(await caller.run((mesh, { streams }) => streams.plain()), [1, 2, 3])
  }
  assert.ok(await sent() <= (64 << 10) + 2 * (16 << 10), `${await sent()} bytes were sent`)
  const before = await endedSoFar(server)
  await caller.run((mesh, keep) => keep.slow.return().then(() => {}))
  await ended(server, before + 1)
})

test('a reader that waited long for each window gets a wider one, and that is bounded, too', async () => {
  const ahead = await caller.run(async (mesh, keep) => {
    keep.slow = await keep.streams.warms(100)
    for (let i = 0; i < 101; i++) await keep.slow.next()
  }).then(async () => {
    const sent = () => server.run((mesh, keep) => keep.sent)
    for (let last = -1, now = await sent(); now !== last; now = await sent()) {
      last = now
      await caller.run((mesh, { streams }) => streams.plain())
    }
    return (await sent() - 101) * (16 << 10)
  })
  assert.ok(ahead > 128 << 10 && ahead <= (256 << 10) + 2 * (16 << 10), `${ahead} bytes ahead`)
  await caller.run((mesh, keep) => keep.slow.return().then(() => {}))
  await idle(server)
})

test('the timeout of a call is for each item that is awaited', async () => {
  const before = await endedSoFar(server)
  const got = await caller.run(async (mesh, { streams, rejection }) => {
    const stream = await streams.silent(0, { timeout: 200 })
    const first = await stream.next()
    const err = await rejection(stream.next())
    return [first.value, err.code, err.delivered, (await stream.next()).done]
  })
  assert.deepEqual(got, ['first', 'ERR_WARREN_TIMEOUT', 'maybe', true])
  await ended(server, before + 1)
})

test('a Readable and a web stream are answers too, and are ended with their reader', async () => {
  const before = await endedSoFar(server)
  const got = await caller.run(async (mesh, { streams }) => {
    const { Readable } = await import('node:stream')
    let bytes = 0
    for await (const chunk of Readable.from(streams.readable(500))) bytes += chunk.length
    const web = []
    for await (const text of streams.web()) web.push(text)
    for await (const item of streams.stuck()) if (item) break
    for await (const item of streams.webStuck()) if (item) break
    return { bytes, web }
  })
  assert.deepEqual(got, { bytes: 500_000, web: ['a', 'b'] })
  await ended(server, before + 2)
  await idle(server)
})

test('a generator keeps the AsyncLocalStorage of its request', async () => {
  const got = await caller.run(async (mesh, { streams }) => Promise.all(['x', 'y'].map(async (id) => {
    const seen = []
    for await (const item of streams.inScope(id)) seen.push(item)
    return seen
  })))
  assert.deepEqual(got, [['x', 'x'], ['y', 'y']])
})

test('an answer that is no stream is awaited, and for await says so; a call that fails fails the loop', async () => {
  const got = await caller.run(async (mesh, { streams, rejection }) => {
    const read = async (source) => { for await (const item of source) void item }
    const [plain, missing, early] = await Promise.all([
      rejection(read(streams.plain())), rejection(read(streams.missing())), rejection(read(streams.count(1, { timeout: -1 }))),
    ])
    return [plain.name, missing.code, early.name]
  })
  assert.deepEqual(got, ['TypeError', 'ERR_WARREN_NO_METHOD', 'RangeError'])
})

test('a node reads its own streams', async () => {
  const got = await server.run(async (mesh) => {
    let n = 0
    for await (const { i } of mesh.client('streams').count(10_000)) n += i >= 0
    return n
  })
  assert.equal(got, 10_000)
})

test('a service that closes lets its streams end', async () => {
  await server.run(async (mesh, keep) => { keep.closing = await mesh.serve('closing', { async *count(n) { for (let i = 0; i < n; i++) yield Buffer.alloc(1000) } }) })
  await caller.run(async (mesh, keep) => {
    await mesh.available('closing')
    keep.stream = await mesh.client('closing').count(2000)
    await keep.stream.next()
  })
  await server.run((mesh, keep) => { keep.closed = keep.closing.close() })
  assert.equal(await caller.run(async (mesh, { stream }) => {
    let n = 1
    for await (const chunk of stream) n += chunk.length / 1000
    return n
  }), 2000)
  await server.run((mesh, keep) => keep.closed)
})

test('the death of the server ends the loop once, that of the reader the generator', async () => {
  const [victim, reader] = await cluster.members('victim', 'reader')
  const before = await endedSoFar(server)
  await reader.run(async (mesh) => {
    await mesh.available('streams')
    await (await mesh.client('streams').endless(1000)).next()
  })
  await reader.kill()
  await ended(server, before + 1)
  assert.equal(await server.run((mesh, keep) => keep.aborted), 'ERR_WARREN_PEER_LOST')

  await victim.run((mesh) => mesh.serve('victim', { async *two() { yield 1; yield 2; await new Promise(() => {}) } }).then(() => {}))
  await caller.run(async (mesh, keep) => {
    await mesh.available('victim')
    keep.stream = await mesh.client('victim').two(0, { timeout: 0 })
    keep.items = [(await keep.stream.next()).value, (await keep.stream.next()).value]
  })
  const seen = caller.run(async (mesh, { stream, items }) => {
    try {
      for await (const item of stream) items.push(item)
    } catch (err) {
      return [items, err.code, err.delivered, (await stream.next()).done]
    }
  })
  await victim.kill()
  assert.deepEqual(await seen, [[1, 2], 'ERR_WARREN_PEER_LOST', 'maybe', true])
})
