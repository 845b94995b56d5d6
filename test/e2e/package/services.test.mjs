// The edges of services and calls.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, server, caller
before(async () => {
  cluster = await Cluster.start()
  ;[server, caller] = await cluster.members('server', 'caller')
})
after(() => cluster.stop())

test('an error that holds a socket arrives without it; what is thrown and no Error arrives as it is', async () => {
  await server.run((mesh) => mesh.serve('throws', {
    withSocket() {
      const error = Object.assign(new TypeError('refused'), { code: 'E_REFUSED', request: { write() {} }, status: 502 })
      throw error
    },
    text() { throw 'only text' },
    huge() { throw Object.assign(new Error('x'.repeat(3 << 20)), { code: 'E_HUGE' }) },
    nothing() { throw undefined },
    unsendable() { throw () => 1 },
  }).then(() => {}))
  const got = await caller.run(async (mesh) => {
    await mesh.available('throws')
    const throws = mesh.client('throws')
    const a = await throws.withSocket().catch((err) => err)
    const huge = await throws.huge().catch((err) => err)
    const unsendable = await throws.unsendable().catch((err) => err)
    return [
      a instanceof TypeError, a.message, a.code, a.status, a.delivered, 'request' in a,
      await throws.text().catch((err) => err), huge.code, huge.message.length,
      await throws.nothing().then(() => 'resolved', (err) => err), unsendable.code,
    ]
  })
  assert.deepEqual(got, [true, 'refused', 'E_REFUSED', 502, 'maybe', false, 'only text', 'E_HUGE', 4096, undefined, 'ERR_WARREN_NOT_CLONEABLE'])
})

test('an answer over the limit is an error for the caller', async () => {
  await server.run((mesh) => mesh.serve('big', { big: () => Buffer.alloc(2 << 20) }).then(() => {}))
  const code = await caller.run(async (mesh) => {
    await mesh.available('big')
    return mesh.client('big').big().catch((err) => [err.code, err.name, err.delivered])
  })
  assert.deepEqual(code, ['ERR_WARREN_TOO_LARGE', 'MeshError', 'maybe'])
})

test('methods of a class are served with their object as `this`', async () => {
  await server.run((mesh) => {
    class Base { inherited() { return this.n + 1 } }
    class Counter extends Base { n = 1; bump() { return ++this.n } }
    return mesh.serve('counter', new Counter()).then(() => {})
  })
  assert.deepEqual(await caller.run(async (mesh) => {
    await mesh.available('counter')
    const counter = mesh.client('counter')
    return [await counter.bump(), await counter.bump(), await counter.inherited(), await counter.constructor.name]
  }), [2, 3, 4, 'Object'])
})

test('names that cannot work are refused when serving, not when calling', async () => {
  const codes = await server.run((mesh) => Promise.all([
    ['', { f() {} }], ['a b', { f() {} }], ['x'.repeat(256), { f() {} }], ['ok', { then() {} }], ['ok', { toString() {} }], ['ok', { 'a b'() {} }], ['\udc00', { f() {} }],
  ].map(([name, handlers]) => mesh.serve(name, handlers).then(() => 'served', (err) => err.code))))
  assert.deepEqual(codes, Array(7).fill('ERR_WARREN_BAD_NAME'))
  const types = await server.run((mesh) => Promise.all([{}, null, 7].map((handlers) => mesh.serve('ok', handlers).catch((err) => err.name))))
  assert.deepEqual(types, ['TypeError', 'TypeError', 'TypeError'])
})

test('one node serves a name once, and again after closing it', async () => {
  const steps = await server.run(async (mesh) => {
    const first = await mesh.serve('once', { f: () => 1 })
    const second = await mesh.serve('once', { f: () => 2 }).catch((err) => err.code)
    await first.close()
    const third = await mesh.serve('once', { f: () => 3 })
    const answer = await mesh.client('once').f()
    await third.close()
    return [second, answer, mesh.instances('once').length]
  })
  assert.deepEqual(steps, ['ERR_WARREN_BAD_NAME', 3, 0])
})

test('close() of a service waits for running handlers and takes no new calls', async () => {
  await server.run(async (mesh, keep) => {
    keep.service = await mesh.serve('closing', { slow: () => new Promise((resolve) => (keep.finish = resolve)), quick: () => 1 })
  })
  const running = caller.run(async (mesh) => {
    await mesh.available('closing')
    return mesh.client('closing').slow()
  })
  const order = await server.run(async (mesh, keep) => {
    while (!keep.finish) await new Promise(setImmediate)
    const order = []
    const closing = keep.service.close().then(() => order.push('closed'))
    const refusal = await mesh.client('closing').quick().catch((err) => [err.code, err.delivered])
    order.push(refusal, keep.service.stats.inFlight)
    keep.finish('answer')
    await closing
    return order
  })
  assert.deepEqual(order, [['ERR_WARREN_NO_RESPONDERS', 'no'], 1, 'closed'])
  assert.equal(await running, 'answer')
})

test('a handler whose thenable settles twice answers its own caller, once', async () => {
  await server.run((mesh) => mesh.serve('twice', {
    twice: () => ({ then(resolve) { resolve('first'); setTimeout(resolve, 20, 'of another call') } }),
    later: () => new Promise((resolve) => setTimeout(resolve, 100, 'own')),
  }).then(() => {}))
  const answers = await caller.run(async (mesh) => {
    await mesh.available('twice')
    const { twice, later } = mesh.client('twice')
    return [await twice(), await later()]
  })
  assert.deepEqual(answers, ['first', 'own'])
})

test('a signal that a handler asks for after the caller gave up is aborted already', async () => {
  await server.run((mesh, keep) => mesh.serve('late', {
    async look(_, context) {
      await new Promise((resolve) => (keep.look = resolve))
      keep.seen = [context.signal.aborted, context.signal.reason.code, context.timeLeft]
    },
  }).then(() => {}))
  await assert.rejects(caller.run(async (mesh) => {
    await mesh.available('late')
    await mesh.client('late').look(null, { timeout: 40 })
  }), { code: 'ERR_WARREN_TIMEOUT' })
  const seen = await server.run(async (mesh, keep) => {
    const { setTimeout: wait } = await import('node:timers/promises')
    await wait(1) // the deadline here passes with the one there
    keep.look()
    while (!keep.seen) await new Promise(setImmediate)
    return keep.seen
  })
  assert.deepEqual(seen, [true, 'ERR_WARREN_TIMEOUT', 0])
})

test('a signal that serves for many calls has one listener, and none when they are over', async () => {
  const counts = await caller.run(async (mesh) => {
    const { getEventListeners } = await import('node:events')
    const { signal } = new AbortController()
    await mesh.serve('local', { f: (n) => n })
    const local = mesh.client('local', { signal })
    const calls = Array.from({ length: 100 }, (_, n) => local.f(n))
    const during = getEventListeners(signal, 'abort').length
    await Promise.all(calls)
    return [during, getEventListeners(signal, 'abort').length]
  })
  assert.deepEqual(counts, [1, 0])
})

test('what is wrong with a call rejects it, and nothing is left open', async () => {
  const errors = await caller.run(async (mesh) => {
    const local = mesh.client('local')
    const bad = [[1, { timeout: -1 }], [1, { timeout: NaN }], [1, { to: 7 }], [1, { to: '00000000deadbeef' }], [1, { headers: { a: 1 } }], [() => 1], [1, { signal: AbortSignal.abort() }], [1, { signal: {} }], [1, { signal: 'now' }]]
    return Promise.all(bad.map((args) => local.f(...args).catch((err) => err.name === 'MeshError' ? err.code : err.name)))
  })
  assert.deepEqual(errors, ['RangeError', 'RangeError', 'TypeError', 'ERR_WARREN_PEER_LOST', 'TypeError', 'ERR_WARREN_NOT_CLONEABLE', 'ERR_WARREN_CANCELLED', 'TypeError', 'TypeError'])
})

test('whatever a handler throws, the caller gets an error and the node lives on', async () => {
  const got = await caller.run(async (mesh) => {
    const trapped = (key) => Object.defineProperty(new RangeError('r'), key, { get() { throw new Error('trap') } })
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const thrown = {
      proxy: new Proxy(new Error('p'), { get() { throw new Error('trap') }, getPrototypeOf() { throw new Error('trap') } }),
      revoked: revoked.proxy, message: trapped('message'), name: trapped('name'), stack: trapped('stack'), cause: trapped('cause'),
    }
    const service = await mesh.serve('thrower', { throwIt: (what) => { throw thrown[what] }, live: () => 'lives' })
    const client = mesh.client('thrower')
    const names = []
    for (const what of Object.keys(thrown)) names.push(await client.throwIt(what).then(() => 'answered', (err) => err instanceof Error))
    names.push(await client.live())
    await service.close()
    return names
  })
  assert.deepEqual(got, [true, true, true, true, true, true, 'lives'])
})

test('options that are none are refused, and headers that would be lost', async () => {
  const got = await caller.run(async (mesh) => {
    const nameOf = (err) => err.name === 'MeshError' ? err.code : err.name
    const attempt = (work) => Promise.resolve().then(work).then(() => 'taken', nameOf)
    return [
      await attempt(() => mesh.subscribe('x', null)), await attempt(() => mesh.available('x', 5)), await attempt(() => mesh.client('x').f(1, 'now')),
      await attempt(() => mesh.close(null)), await attempt(() => mesh.close({ timeout: NaN })), mesh.state,
      await attempt(() => mesh.available()), await attempt(() => mesh.instances(null)),
      await attempt(() => mesh.publish('x', 1, { headers: new Map([['a', 'b']]) })), await attempt(() => mesh.publish('x', 1, { headers: ['a'] })),
    ]
  })
  assert.deepEqual(got, ['TypeError', 'TypeError', 'TypeError', 'TypeError', 'RangeError', 'open', 'ERR_WARREN_BAD_NAME', 'ERR_WARREN_BAD_NAME', 'TypeError', 'TypeError'])
})

test('a wrong signal is refused where it is given', async () => {
  const errors = await caller.run(async (mesh) => {
    const nameOf = (err) => err.name
    const subscribed = await Promise.resolve().then(() => mesh.subscribe('x', { signal: {} })).catch(nameOf)
    return [subscribed, await mesh.available('x', { signal: {} }).catch(nameOf), await mesh.available('x', { timeout: 'soon' }).catch(nameOf)]
  })
  assert.deepEqual(errors, ['TypeError', 'TypeError', 'RangeError'])
})

test('awaiting, printing and stringifying a client does not call anybody', async () => {
  const got = await caller.run(async (mesh) => {
    const client = mesh.client('local')
    const { inspect } = await import('node:util')
    return [(await client) === client, String(client), JSON.stringify(client), inspect(client).length < 200, client.f === client.f]
  })
  assert.deepEqual(got, [true, '[object Object]', '{}', true, true])
})

test('a getter that sends while its object is being sent is told that it cannot', async () => {
  const got = await caller.run(async (mesh) => {
    const nested = { get value() { mesh.publish('nested', 1) } }
    try { mesh.publish('outer', nested) } catch (err) { return [err.code, mesh.publish('outer', 1)] }
  })
  assert.deepEqual(got, ['ERR_WARREN_NOT_CLONEABLE', true])
})

test('objects of one shape, in messages of several kinds, arrive right at peers that come later', async () => {
  await server.run((mesh) => mesh.serve('shapes', { echo: (x) => x }).then(() => {}))
  const late = await cluster.member('late')
  for (const member of [caller, late, caller]) {
    const isSame = await member.run(async (mesh) => {
      await mesh.available('shapes')
      const { isDeepStrictEqual } = await import('node:util')
      const shapes = mesh.client('shapes')
      for (let i = 0; i < 50; i++) {
        const value = { id: i, user: { name: 'n', tags: [{ t: 1 }, { t: 2, u: i }] }, [`key${i % 5}`]: null }
        if (!isDeepStrictEqual(await shapes.echo(value), value)) return value
      }
      return true
    })
    assert.equal(isSame, true)
  }
})
