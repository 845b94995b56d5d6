// The edges of subscriptions.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, node
before(async () => {
  cluster = await Cluster.start()
  node = await cluster.member('node')
})
after(() => cluster.stop())

test('several readers may wait at once, and each gets one message in turn', async () => {
  const got = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('turns')
    const reads = [subscription.next(), subscription.next(), subscription.next()]
    for (const n of [1, 2, 3]) mesh.publish('turns', n)
    const values = (await Promise.all(reads)).map(({ value }) => value.data)
    const last = subscription.next()
    subscription.unsubscribe()
    return [values, await last, await subscription.next()]
  })
  assert.deepEqual(got, [[1, 2, 3], { value: undefined, done: true }, { value: undefined, done: true }])
})

test('leaving the loop unsubscribes', async () => {
  const code = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('left')
    mesh.publish('left', 1)
    mesh.publish('left', 2)
    for await (const m of subscription) if (m.data === 1) break
    return [subscription.queued, await mesh.request('left').catch((err) => err.code)]
  })
  assert.deepEqual(code, [0, 'ERR_WARREN_NO_RESPONDERS'])
})

test('an aborted signal ends the loop', async () => {
  const got = await node.run(async (mesh) => {
    const control = new AbortController()
    const subscription = mesh.subscribe('aborted', { signal: control.signal })
    setImmediate(() => control.abort())
    for await (const m of subscription) void m
    const dead = mesh.subscribe('aborted', { signal: control.signal })
    return [subscription.queued, (await dead.next()).done]
  })
  assert.deepEqual(got, [0, true])
})

test('after unsubscribe() what is queued can still be read', async () => {
  const got = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('rest')
    for (const n of [1, 2, 3]) mesh.publish('rest', n)
    await subscription.ready
    while (subscription.queued < 3) await new Promise(setImmediate)
    subscription.unsubscribe()
    const numbers = []
    for await (const m of subscription) numbers.push(m.data)
    return numbers
  })
  assert.deepEqual(got, [1, 2, 3])
})

test('drop-newest keeps the first ones and counts the others', async () => {
  const got = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('newest', { overflow: 'drop-newest', highWaterMark: 2 })
    const marker = mesh.subscribe('newest')
    for (let n = 0; n < 10; n++) mesh.publish('newest', n)
    while (marker.queued < 10) await new Promise(setImmediate)
    const { dropped } = subscription
    subscription.unsubscribe()
    marker.unsubscribe({ discard: true })
    const kept = []
    for await (const m of subscription) kept.push(m.data)
    return [kept, dropped]
  })
  assert.deepEqual(got, [[0, 1], 8])
})

test('a request that the policy throws away fails as overloaded, one that is discarded as unanswered; neither ran', async () => {
  const got = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('ask', { overflow: 'drop-newest', highWaterMark: 1 })
    await subscription.ready
    const outcomes = [1, 2].map((n) => mesh.request('ask', n).catch((err) => [err.code, err.delivered]))
    const second = await outcomes[1]
    subscription.unsubscribe({ discard: true })
    return [await outcomes[0], second]
  })
  assert.deepEqual(got, [['ERR_WARREN_NO_RESPONDERS', 'no'], ['ERR_WARREN_OVERLOADED', 'no']])
})

test('respond() answers once, and says when nobody waits any more', async () => {
  const got = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('answers')
    await subscription.ready
    const control = new AbortController()
    const first = mesh.request('answers', 1)
    const second = mesh.request('answers', 2, { signal: control.signal }).catch((err) => err.code)
    mesh.publish('answers', 3)
    const [a, b, c] = (await Promise.all([subscription.next(), subscription.next(), subscription.next()])).map(({ value }) => value)
    const results = [a.wantsResponse, a.respond('yes'), a.respond('again'), a.respondError(new Error()), await first]
    control.abort()
    results.push(await second)
    await new Promise(setImmediate)
    results.push(b.respond('late'), c.wantsResponse, c.respond(1))
    subscription.unsubscribe()
    return results
  })
  assert.deepEqual(got, [true, true, false, false, 'yes', 'ERR_WARREN_CANCELLED', false, false, false])
})

test('an answer that cannot be sent throws, and another may be given', async () => {
  const got = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('clumsy')
    await subscription.ready
    const answer = mesh.request('clumsy')
    const { value } = await subscription.next()
    let code
    try { value.respond(() => 1) } catch (err) { code = err.code }
    value.respond('better')
    subscription.unsubscribe()
    return [code, await answer]
  })
  assert.deepEqual(got, ['ERR_WARREN_NOT_CLONEABLE', 'better'])
})

test('flush() waits for the operating system, not for the readers of this node itself', async () => {
  const queued = await node.run(async (mesh) => {
    const subscription = mesh.subscribe('unread', { highWaterMark: 1 })
    for (let n = 0; n < 100; n++) mesh.publish('unread', Buffer.alloc(1000))
    await mesh.flush()
    while (subscription.queued < 100) await new Promise(setImmediate)
    subscription.unsubscribe()
    await mesh.flush()
    return subscription.queued
  })
  assert.equal(queued, 100)
})

test('bad subjects, marks and policies throw at once', async () => {
  const got = await node.run((mesh) => [
    ['a..b'], ['>.a'], ['a*'], [7], ['half.\ud800'], ['a', { queue: 'two words' }], ['a', { highWaterMark: 0 }], ['a', { overflow: 'explode' }],
  ].map((args) => { try { return mesh.subscribe(...args) } catch (err) { return err.name === 'MeshError' ? err.code : err.name } }))
  assert.deepEqual(got, [...Array(5).fill('ERR_WARREN_BAD_SUBJECT'), 'ERR_WARREN_BAD_NAME', 'RangeError', 'RangeError'])
})

test('a node has 4,096 subscriptions and services; one more is refused where it is asked for', async () => {
  const full = await cluster.member('full')
  const got = await full.run(async (mesh) => {
    const errors = []
    mesh.on('error', (err) => errors.push(err.message))
    const subscriptions = Array.from({ length: 4096 }, (_, i) => mesh.subscribe(`full.${i}`))
    await Promise.all(subscriptions.map(({ ready }) => ready))
    const refused = []
    try { mesh.subscribe('full.more') } catch (err) { refused.push(err.code, err.message, err.subject) }
    await mesh.serve('more', { f: () => 1 }).catch((err) => refused.push(err.message))
    subscriptions.pop().unsubscribe()
    const last = mesh.subscribe('full.more')
    await last.ready
    mesh.publish('full.more', 'arrives')
    const { value } = await last.next()
    return [errors, refused, value.data]
  })
  const why = 'this node has 4096 subscriptions and services, the most that one may have'
  assert.deepEqual(got, [[], ['ERR_WARREN_OVERLOADED', `full.more: ${why}`, 'full.more', `more: ${why}`], 'arrives'])
})

test('100,000 messages of a reader that stops and goes come in order, with little kept here', async () => {
  const [writer, reader] = await cluster.members('writer', 'reader')
  await reader.run(async (mesh, keep) => {
    keep.flow = mesh.subscribe('flow', { highWaterMark: 16 })
    await keep.flow.ready
  })
  const sent = writer.run(async (mesh) => {
    while (await mesh.request('flow', -1, { timeout: 1 }).then(() => false, (err) => err.code === 'ERR_WARREN_NO_RESPONDERS')) await null
    for (let n = 0; n < 100_000; n++) if (!mesh.publish('flow', { n, pad: 'abcdefghij' })) await new Promise((resolve) => mesh.once('drain', resolve))
    await mesh.flush()
  })
  const [wrong, most] = await reader.run(async (mesh, { flow }) => {
    let next = 0, wrong = 0, most = 0
    for await (const m of flow) {
      if (m.wantsResponse) continue
      if (m.data.n !== next++) wrong++
      most = Math.max(most, flow.queued)
      if (next % 1000 === 0) await new Promise(setImmediate)
      if (next === 100_000) break
    }
    return [wrong, most]
  })
  await sent
  assert.equal(wrong, 0)
  assert.ok(most > 16 && most < 40_000, `${most} were kept`)
})

test('a reader that leaves bulk lying stops bulk, and not what is normal', async () => {
  const [writer, reader] = await cluster.members('bulkWriter', 'bulkReader')
  await reader.run(async (mesh, keep) => {
    keep.large = mesh.subscribe('lanes.large', { highWaterMark: 1 })
    keep.small = mesh.subscribe('lanes.small')
    await Promise.all([keep.large.ready, keep.small.ready])
  })
  const [refused, isNormalFree] = await writer.run(async (mesh) => {
    while (!await mesh.request('lanes.small', 0).then(() => false, (err) => err.code !== 'ERR_WARREN_NO_RESPONDERS')) await null
    const large = Buffer.alloc(500_000)
    const refused = (() => {
      for (;;) try { mesh.publish('lanes.large', large, { lane: 'bulk' }) } catch (err) { return err.code }
    })()
    globalThis.drained = new Promise((resolve) => mesh.once('drain', resolve))
    return [refused, mesh.publish('lanes.small', 'passes')]
  })
  assert.deepEqual([refused, isNormalFree], ['ERR_WARREN_OVERLOADED', true])
  const got = await reader.run(async (mesh, { small }) => {
    for await (const m of small) if (!m.wantsResponse) return m.data
  })
  assert.equal(got, 'passes')
  await reader.run(async (mesh, { large }) => void (async () => { for await (const m of large) void m })())
  assert.equal(await writer.run(() => globalThis.drained), 'bulk')
})

test('a lane that does not exist is refused', async () => {
  const got = await node.run(async (mesh) => {
    const codes = []
    try { mesh.publish('a', 1, { lane: 'fast' }) } catch (err) { codes.push(err.message) }
    await mesh.request('a', 1, { lane: 1 }).catch((err) => codes.push(err.message))
    return codes
  })
  assert.deepEqual(got, ["lane must be 'normal' or 'bulk'", "lane must be 'normal' or 'bulk'"])
})
