// Inputs that are streams, between two processes: what the handler reads, what the caller's source sees, and how each ends.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, server, caller
before(async () => {
  cluster = await Cluster.start()
  ;[server, caller] = await cluster.members('server', 'caller')
  await server.run(serveInputs)
  await caller.run(prepare)
})
after(() => cluster.stop())

async function serveInputs(mesh, keep, name = 'inputs') {
  Object.assign(keep, { taken: 0, failed: [], aborted: null, held: [] })
  keep.go = () => { for (const go of keep.held.splice(0)) go() }
  keep.until = async (is) => { while (!is()) await new Promise(setImmediate) }
  const { pipeline } = await import('node:stream/promises')
  const { Readable, Writable } = await import('node:stream')
  const service = await mesh.serve(name, {
    async sum(numbers) { let sum = 0; for await (const n of numbers) sum += n; return sum },
    async list(items, { headers }) { const all = []; for await (const item of items) all.push(item); return { all, name: headers.name } },
    async first(items) { for await (const item of items) return item },
    async some(items, { signal }) {
      for await (const item of items) { keep.taken = item; if (item === 3) break }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
    ignore: () => 'not read',
    // How the input ended is kept.
    async records(items, { signal }) {
      signal.addEventListener('abort', () => (keep.aborted = signal.reason.code))
      try {
        for await (const item of items) keep.taken = item
        keep.failed.push('whole')
      } catch (err) {
        keep.failed.push(err.code)
        throw err
      }
    },
    async hold(items) { await new Promise((resolve) => keep.held.push(resolve)); let n = 0; for await (const chunk of items) n += chunk.length; return n },
    async one(items) { keep.reader = items; keep.taken = (await items.next()).value.length; await new Promise((resolve) => keep.held.push(resolve)) },
    async *echo(items) { for await (const item of items) yield item; yield 'end' },
    async *ends(items) { yield (await items.next()).value; yield 'over' },
    async throws(items) { for await (const item of items) throw Object.assign(new RangeError(`not ${item}`), { code: 'E_NOT' }) },
    async written(items) {
      let n = 0
      await pipeline(Readable.from(items), new Writable({ write(chunk, _, done) { n += chunk.length; done() } }))
      return n
    },
    async web(items) {
      let n = 0
      await ReadableStream.from?.(items).pipeTo(new WritableStream({ write(chunk) { n += chunk.length } }))
      return n
    },
  })
  keep.service = service
}

async function prepare(mesh, keep) {
  await mesh.available('inputs')
  keep.inputs = mesh.client('inputs')
  keep.rejection = (promise) => promise.then(() => 'resolved', (err) => err)
  keep.until = async (is) => { while (!is()) await new Promise(setImmediate) }
  keep.closed = []
  // Says in keep.closed that it was ended.
  keep.numbers = async function* (n, name) {
    try {
      for (let i = 1; i <= n; i++) yield i
    } finally {
      keep.closed.push(name)
    }
  }
  keep.stuck = async function* (name) {
    try {
      yield 1
      await new Promise(() => {})
    } finally {
      keep.closed.push(name)
    }
  }
}

const idle = (member) => member.run(async (mesh, keep) => { await keep.until(() => keep.service.stats.inFlight === 0) })

test('what a generator gives is read by the handler in order, and its end is the end', async () => {
  const got = await caller.run(async (mesh, { inputs, numbers, closed }) => [await inputs.sum(numbers(50_000, 'sum')), closed.includes('sum')])
  assert.deepEqual(got, [50_000 * 50_001 / 2, true])
})

test('items are values of every kind, beside headers, and an input may be empty', async () => {
  const got = await caller.run(async (mesh, { inputs }) => {
    const values = async function* () { yield undefined; yield null; yield new Map([[1, new Date(5)]]); yield Buffer.from('bytes') }
    return [await inputs.list(values(), { headers: { name: 'x' } }), await inputs.list((async function* () {})())]
  })
  assert.deepEqual(got[0], { all: [undefined, null, new Map([[1, new Date(5)]]), Buffer.from('bytes')], name: 'x' })
  assert.deepEqual(got[1].all, [])
})

test('a Readable, a web stream and another answer are inputs too', async () => {
  const got = await caller.run(async (mesh, { inputs, numbers }) => {
    const { Readable } = await import('node:stream')
    const chunks = () => Array.from({ length: 300 }, () => Buffer.alloc(1000))
    const web = new ReadableStream({ start(c) { for (const chunk of chunks()) c.enqueue(chunk); c.close() } })
    const sums = [await inputs.written(Readable.from(chunks())), await inputs.written(web)]
    if (ReadableStream.from !== undefined) sums.push(await inputs.web(Readable.from(chunks())))
    const relayed = await inputs.list(inputs.echo(numbers(3)))
    return [new Set(sums), relayed.all]
  })
  assert.deepEqual(got, [new Set([300_000]), [1, 2, 3, 'end']])
})

test('both directions flow at once, and the handler still answers when its input has ended', async () => {
  const got = await caller.run(async (mesh, { inputs }) => {
    const sent = []
    let next = null
    // The second item is sent when the first one has come back.
    async function* pingPong() { for (let i = 0; i < 100; i++) { sent.push(i); yield i; await new Promise((resolve) => (next = resolve)) } }
    const back = []
    for await (const item of inputs.echo(pingPong())) { back.push(item); next?.() }
    return [sent.length, back.length, back.at(-1)]
  })
  assert.deepEqual(got, [100, 101, 'end'])
})

test('a handler that stops reading ends the source, and goes on; its answer ends it, too', async () => {
  const got = await caller.run(async (mesh, { inputs, numbers, stuck, until, closed, rejection }) => {
    const control = new AbortController()
    const open = rejection(inputs.some(numbers(1e9, 'some'), { signal: control.signal }))
    await until(() => closed.includes('some'))
    const isOpen = await Promise.race([open.then(() => false), inputs.sum(numbers(2, 'more')).then(() => true)])
    control.abort()
    const { code } = await open
    const first = await inputs.first(numbers(1e9, 'first'))
    const { Readable } = await import('node:stream')
    const idle = new Readable({ read() {} })
    idle.push('text')
    const answer = await inputs.first(idle)
    await until(() => closed.includes('first') && idle.destroyed)
    return [isOpen, code, first, String(answer)]
  })
  assert.deepEqual(got, [true, 'ERR_WARREN_CANCELLED', 1, 'text'])
  await idle(server)
})

test('an input that nobody reads is not begun, but ended', async () => {
  const got = await caller.run(async (mesh, { inputs, rejection, until }) => {
    const { Readable } = await import('node:stream')
    let pulled = 0
    const source = () => new Readable({ read() { pulled++; this.push('x') } })
    const [ignored, missing, nowhere] = [source(), source(), source()]
    const results = [await inputs.ignore(ignored), (await rejection(inputs.missing(missing))).code, (await rejection(mesh.client('nobody').put(nowhere, { retries: 3 }))).code]
    await until(() => ignored.destroyed && missing.destroyed && nowhere.destroyed)
    return [results, pulled]
  })
  assert.deepEqual(got, [['not read', 'ERR_WARREN_NO_METHOD', 'ERR_WARREN_NO_RESPONDERS'], 0])
})

test('what the source throws fails the call with it, and the input of the handler', async () => {
  await server.run((mesh, keep) => { keep.failed = [] })
  const got = await caller.run(async (mesh, { inputs, rejection }) => {
    const { createReadStream } = await import('node:fs')
    const breaks = async function* () { yield 1; throw Object.assign(new RangeError('mine'), { code: 'E_MINE' }) }
    const unsendable = async function* () { yield 1; yield () => 1 }
    const errors = []
    for (const make of [breaks, unsendable, () => createReadStream('/no/such/file')]) errors.push((await rejection(inputs.records(make()))).code)
    return errors
  })
  assert.deepEqual(got, ['E_MINE', 'ERR_WARREN_NOT_CLONEABLE', 'ENOENT'])
  await idle(server)
  assert.deepEqual(await server.run((mesh, keep) => keep.failed), Array(3).fill('ERR_WARREN_CANCELLED'))
})

test('what the handler throws fails the call, and ends the source', async () => {
  const got = await caller.run(async (mesh, { inputs, rejection, numbers, closed, until }) => {
    const err = await rejection(inputs.throws(numbers(1e9, 'throws')))
    await until(() => closed.includes('throws'))
    return [err instanceof RangeError, err.code, err.delivered]
  })
  assert.deepEqual(got, [true, 'E_NOT', 'maybe'])
})

test('an abort of the caller ends both sides, each once', async () => {
  await server.run((mesh, keep) => { keep.failed = []; keep.aborted = null })
  const code = await caller.run(async (mesh, { inputs, rejection, stuck }) => {
    const control = new AbortController()
    setTimeout(() => control.abort(), 100)
    return (await rejection(inputs.records(stuck('aborted'), { signal: control.signal }))).code
  })
  assert.equal(code, 'ERR_WARREN_CANCELLED')
  await idle(server)
  assert.deepEqual(await server.run((mesh, keep) => [keep.failed, keep.aborted]), [['ERR_WARREN_CANCELLED'], 'ERR_WARREN_CANCELLED'])
})

test('leaving the answer of a call with both ends both', async () => {
  const got = await caller.run(async (mesh, { inputs, numbers, closed, until }) => {
    for await (const item of inputs.echo(numbers(1e9, 'left'))) if (item === 5) break
    await until(() => closed.includes('left'))
    const ends = []
    for await (const item of inputs.ends(numbers(1e9, 'ends'))) ends.push(item)
    await until(() => closed.includes('ends'))
    return ends
  })
  assert.deepEqual(got, [1, 'over'])
  await idle(server)
})

test('a handler that does not read holds the source: what is sent is bounded, and other calls go on', async () => {
  await caller.run((mesh, keep) => {
    keep.sent = 0
    keep.stop = new AbortController()
    const source = async function* () { for (;;) { yield Buffer.alloc(16 << 10); keep.sent += 16 << 10 } }
    keep.call = keep.rejection(keep.inputs.one(source(), { signal: keep.stop.signal }))
  })
  await server.run((mesh, keep) => keep.until(() => keep.held.length > 0))
  const sent = () => caller.run((mesh, keep) => keep.sent)
  for (let last = -1, now = await sent(); now !== last; now = await sent()) {
    last = now
    assert.equal(await caller.run((mesh, { inputs, numbers }) => inputs.sum(numbers(4))), 10)
  }
  assert.ok(await sent() <= (64 << 10) + 2 * (16 << 10), `${await sent()} bytes were sent`)
  assert.equal(await caller.run(async (mesh, keep) => { keep.stop.abort(); return (await keep.call).code }), 'ERR_WARREN_CANCELLED')
  await server.run((mesh, keep) => keep.go())
})

test('the timeout is for the handler to read, for each item it awaits, and for the answer behind them', async () => {
  await server.run((mesh, keep) => { keep.failed = [] })
  const got = await caller.run(async (mesh, { inputs, rejection, numbers, stuck }) => {
    const slowly = async function* () { for (let i = 0; i < 6; i++) { yield i; await new Promise((resolve) => setTimeout(resolve, 100)) } }
    return [
      await inputs.sum(slowly(), { timeout: 400 }),
      (await rejection(inputs.hold(numbers(1), { timeout: 200 }))).code,
      (await rejection(inputs.records(stuck('timeout'), { timeout: 200 }))).code,
      (await rejection(inputs.one((async function* () { yield 'x' })(), { timeout: 200 }))).code,
    ]
  })
  assert.deepEqual(got, [15, 'ERR_WARREN_TIMEOUT', 'ERR_WARREN_TIMEOUT', 'ERR_WARREN_TIMEOUT'])
  assert.deepEqual(await server.run((mesh, keep) => keep.failed), ['ERR_WARREN_TIMEOUT'])
  await server.run((mesh, keep) => keep.go())
})

test('a node sends streams to itself', async () => {
  const got = await server.run(async (mesh) => {
    const numbers = async function* () { for (let i = 1; i <= 10_000; i++) yield i }
    return [await mesh.client('inputs').sum(numbers()), await mesh.client('inputs').first(numbers())]
  })
  assert.deepEqual(got, [10_000 * 10_001 / 2, 1])
})

test('the death of the caller fails the input, that of the server ends the source', async () => {
  const [victim, sender] = await cluster.members('victim', 'sender')
  await server.run((mesh, keep) => { keep.failed = []; keep.taken = 0 })
  await sender.run(prepare)
  await sender.run((mesh, { inputs, stuck }) => { void inputs.records(stuck('dead')) })
  await server.run((mesh, keep) => keep.until(() => keep.taken === 1))
  await sender.kill()
  await idle(server)
  assert.deepEqual(await server.run((mesh, keep) => keep.failed), ['ERR_WARREN_PEER_LOST'])

  await victim.run(serveInputs, 'victim')
  await caller.run((mesh) => mesh.available('victim').then(() => {}))
  const seen = caller.run(async (mesh, keep) => {
    const err = await keep.rejection(mesh.client('victim').records(keep.numbers(1e9, 'orphan')))
    await keep.until(() => keep.closed.includes('orphan'))
    return [err.code, err.delivered]
  })
  await victim.run((mesh, keep) => keep.until(() => keep.taken > 0))
  await victim.kill()
  assert.deepEqual(await seen, ['ERR_WARREN_PEER_LOST', 'maybe'])
})

test('the source of a call that fails at once is ended', async () => {
  const ended = await caller.run(async (mesh, keep) => {
    const { Readable } = await import('node:stream')
    const source = () => Readable.from([1])
    const all = []
    for (const options of [{ signal: AbortSignal.abort() }, { to: 'nobody' }, { timeout: -1 }, { headers: 5 }]) {
      const one = source()
      await keep.rejection(mesh.client('inputs').first(one, options))
      all.push(one.destroyed)
    }
    return all
  })
  assert.deepEqual(ended, [true, true, true, true])
})
