// What others see of messages, what they can add, and what passes on by itself: diagnostics_channel, traceparent,
// AsyncLocalStorage. And calls that are tried again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

let cluster, server, caller, third
before(async () => {
  cluster = await Cluster.start()
  ;[server, caller, third] = await cluster.members('server', 'caller', 'third')
  for (const member of [server, caller]) await member.run(async (mesh, keep) => {
    keep.dc = (await import('node:diagnostics_channel')).default
    keep.hooks = (await import('node:async_hooks')).default
    // Subscribes to channels; returns the list of [name, event] that fills, and how to end it.
    keep.watch = (names, touch = () => {}) => {
      const events = []
      const subscribed = names.map((name) => [name, (event) => { touch(event, name); events.push([name.split(':').at(-1), { ...event }]) }])
      for (const [name, on] of subscribed) keep.dc.subscribe(name, on)
      return [events, () => { for (const [name, on] of subscribed) keep.dc.unsubscribe(name, on) }]
    }
    keep.all = (name) => ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((part) => `tracing:${name}:${part}`)
  })
  await third.run(async (mesh) => { await mesh.serve('third', { headers: (_, { headers }) => headers }) })
  await server.run(async (mesh, keep) => {
    await mesh.available('third')
    keep.als = new keep.hooks.AsyncLocalStorage()
    await mesh.serve('tools', {
      double: (n) => n * 2,
      later: async (n) => { await null; return n },
      fail: () => { throw new RangeError('too far') },
      headers: (_, { headers }) => headers,
      onwards: async (headers) => { await null; return mesh.client('third').headers(null, { headers }) },
      publishes: async () => { await null; mesh.publish('seen.it', 1) },
      store: async (value) => {
        const before = keep.als.getStore()
        keep.als.enterWith(value)
        await new Promise(setImmediate)
        return [before ?? null, keep.als.getStore()]
      },
    })
  })
  await caller.run((mesh) => mesh.available('tools'))
})
after(() => cluster.stop())

test('tracing:warren.request tells start, end and result of calls, and their errors', async () => {
  const [done, failed, asked] = await caller.run(async (mesh, keep) => {
    const tools = mesh.client('tools')
    const run = async (work) => {
      const [events, end] = keep.watch(keep.all('warren.request'))
      await work().catch(() => {})
      end()
      return events.map(([part, { service, method, subject, input, result, error }]) => [part, { service, method, subject, input, result, error: error?.message ?? error?.code }])
    }
    return [await run(() => tools.double(4)), await run(() => tools.fail()), await run(() => mesh.request('no.body', 7))]
  })
  assert.deepEqual(done.map(([part]) => part), ['start', 'end', 'asyncStart', 'asyncEnd'])
  assert.deepEqual(done[0][1], { service: 'tools', method: 'double', subject: undefined, input: 4, result: undefined, error: undefined })
  assert.equal(done[3][1].result, 8)
  assert.deepEqual(failed.map(([part]) => part), ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
  assert.equal(failed[2][1].error, 'too far')
  assert.equal(asked[0][1].subject, 'no.body')
})

test('tracing:warren.handle tells of calls that are served, and its bound stores hold in the handler', async () => {
  await server.run((mesh, keep) => {
    ;[keep.events, keep.end] = keep.watch(keep.all('warren.handle'))
    keep.dc.channel('tracing:warren.handle:start').bindStore(keep.als, ({ method }) => `span of ${method}`)
  })
  const answers = await caller.run(async (mesh) => {
    const tools = mesh.client('tools')
    return [await tools.double(3), await tools.later(5), await tools.fail().catch((err) => [err.name, err.message]), await tools.store('x')]
  })
  assert.deepEqual(answers, [6, 5, ['RangeError', 'too far'], ['span of store', 'x']])
  const seen = await server.run((mesh, keep) => {
    keep.end()
    keep.dc.channel('tracing:warren.handle:start').unbindStore(keep.als)
    return keep.events.map(([part, { service, method, input, from, result, error }]) => [part, service, method, input, from.name, result, error?.message])
  })
  assert.deepEqual(seen[0], ['start', 'tools', 'double', 3, 'caller', undefined, undefined])
  assert.deepEqual(seen.filter(([part]) => part === 'asyncEnd').map((event) => event[5]), [6, 5, undefined, ['span of store', 'x']])
  assert.deepEqual(seen.filter(([part]) => part === 'error').map((event) => event[6]), ['too far'])
})

test('headers that a subscriber adds at start are sent: of calls, requests and publications', async () => {
  await server.run(async (mesh, keep) => {
    keep.subscription = mesh.subscribe('given.*')
    await keep.subscription.ready
    keep.got = []
    void (async () => { for await (const m of keep.subscription) { keep.got.push(m.headers); if (m.wantsResponse) m.respond(m.headers) } })()
  })
  const [called, own, requested] = await caller.run(async (mesh, keep) => {
    const [, end] = keep.watch(['tracing:warren.request:start', 'warren.publish'], (event) => { event.headers.traceparent = 'added' })
    const headers = { mine: '1' }
    const called = await mesh.client('tools').headers(null, { headers })
    mesh.publish('given.a', 1)
    const requested = await mesh.request('given.b', 1)
    end()
    return [called, headers, requested]
  })
  assert.deepEqual([called, own, requested], [{ mine: '1', traceparent: 'added' }, { mine: '1' }, { traceparent: 'added' }])
  assert.deepEqual(await server.run((mesh, keep) => { keep.subscription.unsubscribe(); return keep.got }), [{ traceparent: 'added' }, { traceparent: 'added' }])
})

test('warren.publish, warren.receive and warren.peer tell of messages and members', async () => {
  await server.run(async (mesh, keep) => {
    ;[keep.events, keep.end] = keep.watch(['warren.receive', 'warren.peer'])
    keep.subscription = mesh.subscribe('told.*')
    await keep.subscription.ready
  })
  const published = await caller.run(async (mesh, keep) => {
    const [events, end] = keep.watch(['warren.publish'])
    mesh.publish('told.x', { n: 1 }, { headers: { h: 'v' } })
    end()
    return events
  })
  assert.deepEqual(published, [['warren.publish', { subject: 'told.x', data: { n: 1 }, headers: { h: 'v' } }]])
  const fourth = await cluster.member('fourth')
  await fourth.kill()
  const seen = await server.run(async (mesh, keep) => {
    await keep.subscription.next()
    while (keep.events.length < 3) await new Promise((resolve) => mesh.once('peer:down', resolve))
    keep.end()
    keep.subscription.unsubscribe()
    return keep.events.map(([name, { subject, data, from, headers, peer }]) => [name, subject, data, from?.name, headers, peer?.name])
  })
  assert.deepEqual(seen[0], ['warren.receive', 'told.x', { n: 1 }, 'caller', { h: 'v' }, undefined])
  assert.deepEqual(seen.slice(1).map((event) => event[5]), ['fourth', 'fourth'])
})

test('a traceparent that comes with a call goes on with all that its handler sends, and with nothing else', async () => {
  await server.run(async (mesh, keep) => { keep.subscription = mesh.subscribe('seen.it'); await keep.subscription.ready })
  const headers = { traceparent: TRACE, tracestate: 'a=1', other: 'x' }
  const got = await caller.run(async (mesh, keep, headers) => {
    const tools = mesh.client('tools')
    const [traced, plain, own] = await Promise.all([tools.onwards(undefined, { headers }), tools.onwards(), tools.onwards({ traceparent: 'mine' }, { headers })])
    await tools.publishes(null, { headers })
    return [traced, plain, own]
  }, headers)
  assert.deepEqual(got, [{ traceparent: TRACE, tracestate: 'a=1' }, {}, { traceparent: 'mine' }])
  const message = await server.run(async (mesh, keep) => { const { value } = await keep.subscription.next(); keep.subscription.unsubscribe(); return value.headers })
  assert.deepEqual(message, { traceparent: TRACE, tracestate: 'a=1' })
})

test("the caller's AsyncLocalStorage is there after await, and each handler has a context of its own", async () => {
  const after = await caller.run(async (mesh, keep) => {
    const als = new keep.hooks.AsyncLocalStorage()
    const tools = mesh.client('tools')
    return Promise.all(['a', 'b', 'c'].map((name) => als.run(name, async () => {
      await tools.later(1)
      const first = als.getStore()
      const [store, kept] = await tools.store(name)
      return [first, als.getStore(), store, kept]
    })))
  })
  assert.deepEqual(after, ['a', 'b', 'c'].map((name) => [name, name, null, name]))
})

test('what stands in an AsyncLocalStorage around serve() is there in each handler; a trace around it is not', async () => {
  await server.run(async (mesh, keep) => {
    const als = (keep.around = new keep.hooks.AsyncLocalStorage())
    await als.run('around', () => mesh.serve('around', {
      get: () => als.getStore(),
      change: async (value) => { als.enterWith(value); await null; return als.getStore() },
      async *stream() { yield als.getStore(); await null; yield als.getStore() },
      open: async () => { await mesh.serve('opened', { onwards: () => mesh.client('third').headers() }); return als.getStore() },
    }))
  })
  const got = await caller.run(async (mesh, keep, headers) => {
    await mesh.available('around')
    const around = mesh.client('around')
    const items = []
    for await (const item of around.stream()) items.push(item)
    const changed = await Promise.all([around.change('a'), around.change('b'), around.get()])
    const opened = await around.open(null, { headers })
    await mesh.available('opened')
    return [items, changed, await around.get(), opened, await mesh.client('opened').onwards()]
  }, { traceparent: TRACE })
  assert.deepEqual(got, [['around', 'around'], ['a', 'b', 'around'], 'around', 'around', {}])
})

test('2,000 nested calls, 100 at a time, each keep the context and the trace that they began with', async () => {
  await server.run(async (mesh, keep) => {
    const als = new keep.hooks.AsyncLocalStorage()
    const third = mesh.client('third')
    await mesh.serve('deep', {
      walk: async (n, { headers }) => als.run(n, async () => {
        const seen = []
        for (let hop = 0; hop < 3; hop++) {
          if (n % 3 === hop) await new Promise(setImmediate)
          const { traceparent } = await third.headers()
          seen.push(als.getStore() === n && traceparent === headers.traceparent)
        }
        return seen.every(Boolean)
      }),
    })
  })
  const wrong = await caller.run(async (mesh, keep, trace) => {
    await mesh.available('deep')
    const deep = mesh.client('deep')
    const als = new keep.hooks.AsyncLocalStorage()
    let next = 0
    const wrong = []
    const worker = async () => {
      while (next < 2000) {
        const n = next++
        await als.run({ n }, async () => {
          // Every fourth has no trace: none of another's may reach it.
          const headers = n % 4 === 0 ? undefined : { traceparent: trace.replace('b7ad6b71', String(n).padStart(8, '0')) }
          const isRight = await deep.walk(n, { headers }).catch((err) => err.message)
          if (isRight !== true || als.getStore().n !== n) wrong.push([n, isRight])
        })
      }
    }
    await Promise.all(Array.from({ length: 100 }, worker))
    return wrong
  }, TRACE)
  assert.deepEqual(wrong, [])
})

test('a call with retries waits for a service that comes, and for nothing else', async () => {
  const outcome = await caller.run(async (mesh) => {
    const late = mesh.client('late', { retries: 20 })
    let failed = 0
    const waiting = late.now('first')
    setTimeout(() => mesh.serve('late', { now: (x) => x, forward: () => mesh.client('nobody').f(), fail() { failed++; throw new Error('no') } }), 60)
    const answer = await waiting
    const error = await late.fail().catch((err) => err.message)
    const forwarded = await late.forward().catch((err) => [err.code, err.delivered])
    const code = (promise) => promise.then(() => 'answered', (err) => err.name === 'MeshError' ? err.code : err.name)
    const nobody = mesh.client('nobody')
    const gone = new AbortController()
    setTimeout(() => gone.abort(), 40)
    return [answer, error, failed, forwarded, await Promise.all([code(nobody.f(1, { retries: 2 })), code(nobody.f(1, { retries: 1e6, timeout: 100 })), code(nobody.f(1, { retries: 9, signal: gone.signal })), code(nobody.f(1, { retries: 0.5 })), code(nobody.f(1, { retries: -1 }))])]
  })
  assert.deepEqual(outcome, ['first', 'no', 1, ['ERR_WARREN_NO_RESPONDERS', 'maybe'], ['ERR_WARREN_NO_RESPONDERS', 'ERR_WARREN_NO_RESPONDERS', 'ERR_WARREN_CANCELLED', 'RangeError', 'RangeError']])
})
