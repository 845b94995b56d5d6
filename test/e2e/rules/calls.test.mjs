// Rule: a deadline on every call that travels with it; nobody serves it, a dead target: an error at once; `delivered` on
// every error. (Deadlines: deadlines.test.mjs; dead targets: death and choose.)
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
      async later(value) {
        await null
        return value
      },
      from: (_, context) => context.from.name,
      headers: (_, context) => context.headers,
      timeLeft: (_, context) => context.timeLeft,
      fail() {
        throw Object.assign(new RangeError('too far'), { code: 'E_FAR', detail: { at: 7 } })
      },
      unclonable: () => ({ user: { onChange() {} } }),
      count: () => ++keep.calls,
      hang: (_, { signal }) => new Promise(() => {
        signal.addEventListener('abort', () => keep.aborted++)
        keep.onHang?.()
      }),
    })
  })
  await caller.run((mesh, keep) => mesh.available('tools').then(() => { keep.tools = mesh.client('tools') }))
})
after(() => cluster.stop())

test('a call comes back with what the handler returned, at once or later', async () => {
  const result = await caller.run(async (mesh, { tools }) => [await tools.echo({ a: [1, 'b', null] }), await tools.later(7n)])
  assert.deepEqual(result, [{ a: [1, 'b', null] }, 7n])
})

test('the handler knows the caller, its headers and the time left, from the mesh and not from the message', async () => {
  const [from, headers, timeLeft] = await caller.run((mesh, { tools }) => Promise.all([
    tools.from({ from: 'somebody else' }), tools.headers(null, { headers: { trace: 'x1' } }), tools.timeLeft(null, { timeout: 700 })]))
  assert.equal(from, 'caller')
  assert.deepEqual(headers, { trace: 'x1' })
  assert.ok(timeLeft > 0 && timeLeft <= 700, String(timeLeft))
})

test('a thrown error arrives with class, message, code and own properties', async () => {
  const error = await caller.run(async (mesh, { tools }) => {
    const e = await tools.fail().catch(thrown => thrown)
    return { isRange: e instanceof RangeError, message: e.message, code: e.code, detail: e.detail, delivered: e.delivered }
  })
  assert.deepEqual(error, { isRange: true, message: 'too far', code: 'E_FAR', detail: { at: 7 }, delivered: 'maybe' })
})

test('an answer that cannot be cloned is an error for the caller that names the path', async () => {
  await assert.rejects(caller.run((mesh, { tools }) => tools.unclonable()), { code: 'ERR_WARREN_NOT_CLONEABLE', message: /\$\.user\.onChange/ })
})

test('an input that cannot be cloned throws at the caller and nothing is sent', async () => {
  const calls = await server.run((mesh, keep) => keep.calls)
  await assert.rejects(caller.run((mesh, { tools }) => tools.count({ list: [1, () => {}] })),
    { code: 'ERR_WARREN_NOT_CLONEABLE', message: /\$\.list\[1\]/, delivered: 'no' })
  assert.equal(await server.run((mesh, keep) => keep.calls), calls)
})

test('a service nobody serves fails at once and says that nothing was delivered', async () => {
  await assert.rejects(caller.run(mesh => mesh.client('nobody').ask(1, { timeout: 0 })),
    { code: 'ERR_WARREN_NO_RESPONDERS', delivered: 'no', message: /nobody/ })
})

test('a method the service does not have is told', async () => {
  await assert.rejects(caller.run((mesh, { tools }) => tools.unheardOf()), { code: 'ERR_WARREN_NO_METHOD', delivered: 'no' })
})

test('a deadline that passes rejects the call and aborts the handler', async () => {
  const before = await server.run((mesh, keep) => keep.aborted)
  await assert.rejects(caller.run((mesh, { tools }) => tools.hang(null, { timeout: 50 })), { code: 'ERR_WARREN_TIMEOUT', delivered: 'maybe' })
  await server.run(async (mesh, keep, wanted) => { while (keep.aborted < wanted) await new Promise(setImmediate) }, before + 1)
})

test('twenty thousand calls, 64 at a time, each get their own answer', async () => {
  const wrong = await caller.run(async (mesh, { tools }) => {
    let next = 0, bad = 0
    const one = async () => { while (next < 20_000) { const id = next++; if ((await tools.echo({ id, name: 'abc' })).id !== id) bad++ } }
    await Promise.all(Array.from({ length: 64 }, one))
    return bad
  })
  assert.equal(wrong, 0)
})

test('a message of nearly the limit arrives whole, in both directions; a larger one is refused', async () => {
  const same = await caller.run(async (mesh, { tools }) => {
    const bytes = Buffer.alloc((1 << 20) - 64)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i)
    return bytes.equals(await tools.echo(bytes))
  })
  assert.equal(same, true)
  await assert.rejects(caller.run((mesh, { tools }) => tools.echo(Buffer.alloc(1 << 21))), { code: 'ERR_WARREN_TOO_LARGE', delivered: 'no' })
})

test('a node calls its own service like any other', async () => {
  assert.equal(await server.run(mesh => mesh.client('tools').echo('me')), 'me')
})

test('calls spread over the instances of a service, and `to` picks one', async () => {
  const others = await cluster.members('spread1', 'spread2')
  for (const other of others) await other.run(async mesh => { await mesh.serve('spread', { who: () => mesh.self.name }) })
  const [names, picked] = await caller.run(async mesh => {
    const instances = await mesh.available('spread', { count: 2 })
    const spread = mesh.client('spread')
    const answers = []
    for (let i = 0; i < 100; i++) answers.push(await spread.who())
    return [[...new Set(answers)].sort(), await spread.who(null, { to: instances.find(peer => peer.name === 'spread2') })]
  })
  assert.deepEqual(names, ['spread1', 'spread2'])
  assert.equal(picked, 'spread2')
  for (const other of others) await other.kill()
})

test('request() on a subject is answered by one subscriber', async () => {
  await server.run(async mesh => {
    const questions = mesh.subscribe('ask.*', { queue: 'answerers' })
    await questions.ready
    ;(async () => { for await (const m of questions) m.data === 'bad' ? m.respondError(new TypeError('no such thing')) : m.respond([m.subject, m.data]) })()
  })
  const answer = await caller.run(async mesh => {
    for (;;) {
      try { return await mesh.request('ask.me', 5) } catch (e) { if (e.code !== 'ERR_WARREN_NO_RESPONDERS') throw e }
      await new Promise(setImmediate)
    }
  })
  assert.deepEqual(answer, ['ask.me', 5])
  await assert.rejects(caller.run(mesh => mesh.request('ask.me', 'bad')), { name: 'TypeError', message: 'no such thing' })
})

test('a program that asks again at once when nobody answers hears of the one who begins to serve', async () => {
  const [eager, late] = await cluster.members('eager', 'late')
  const answer = eager.run(async mesh => {
    const client = mesh.client('late-service')
    for (;;) {
      try { return await client.x() } catch (err) { if (err.code !== 'ERR_WARREN_NO_RESPONDERS') throw err }
    }
  })
  await late.run(async mesh => { await mesh.serve('late-service', { x: () => 'here' }) })
  assert.equal(await answer, 'here')
})
