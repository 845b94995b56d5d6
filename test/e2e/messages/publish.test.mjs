import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from './cluster.mjs'

let cluster, publisher, one, two
before(async () => {
  cluster = await Cluster.start()
  ;[publisher, one, two] = await cluster.members('publisher', 'one', 'two')
})
after(() => cluster.stop())

// Subscribes in `member` and collects in keep[key]; resolves when every peer knows.
const collect = (member, key, subject, options) => member.run(async (mesh, keep, key, subject, options) => {
  const list = keep[key] = []
  const subscription = keep[`${key}Subscription`] = mesh.subscribe(subject, options)
  await subscription.ready
  ;(async () => { for await (const m of subscription) list.push([m.subject, m.data, m.from.name]) })()
}, key, subject, options)

const collected = (member, key, count) => member.run(async (mesh, keep, key, count) => {
  while (keep[key].length < count) await new Promise(setImmediate)
  return keep[key]
}, key, count)

// Publishes in order, and then waits until a last word has come back from each subscriber.
const publish = (...messages) => publisher.run(async (mesh, keep, messages) => {
  for (const [subject, data] of messages) if (!mesh.publish(subject, data)) await new Promise(resolve => mesh.once('drain', resolve))
  await mesh.flush()
}, messages)

// The agent tells members one after the other: a subscription is known to the publisher when a first message arrives.
const known = async (member, key, subject) => {
  await publisher.run(async (mesh, keep, subject) => { mesh.publish(subject, 'hello'); await mesh.flush() }, subject)
  await collected(member, key, 1)
}

test('subjects match as in NATS: * one token, > the rest', async () => {
  await collect(one, 'star', 'orders.*.created')
  await collect(one, 'rest', 'orders.>')
  await known(one, 'star', 'orders.eu.created')
  await publish(['orders.us.created', 1], ['orders.us.old.created', 2], ['orders', 3], ['orders.end', 4])
  const rest = await collected(one, 'rest', 4)
  assert.deepEqual(rest.map(m => m[1]), ['hello', 1, 2, 4])
  assert.deepEqual((await collected(one, 'star', 2)).map(m => m[1]), ['hello', 1])
  assert.equal(rest[0][2], 'publisher')
})

test('each message goes to every plain subscriber and to one member of a group', async () => {
  await collect(one, 'plain', 'work.*')
  await collect(one, 'group', 'work.*', { queue: 'g' })
  await collect(two, 'group', 'work.*', { queue: 'g' })
  await known(one, 'plain', 'work.x')
  await publish(...Array.from({ length: 400 }, (_, i) => ['work.item', i]))
  const plain = await collected(one, 'plain', 401)
  const groups = await Promise.all([one, two].map(member => member.run((mesh, keep) => keep.group)))
  while (groups[0].length + groups[1].length < 401) groups.splice(0, 2, ...await Promise.all([one, two].map(m => m.run((mesh, keep) => keep.group))))
  const numbers = groups.flat().filter(m => m[1] !== 'hello').map(m => m[1]).sort((a, b) => a - b)
  assert.deepEqual(numbers, Array.from({ length: 400 }, (_, i) => i))
  assert.deepEqual(plain.slice(1).map(m => m[1]), numbers)
  assert.ok(groups.every(g => g.length > 40), `both members work: ${groups.map(g => g.length)}`)
})

test('a node hears its own publications', async () => {
  await collect(publisher, 'own', 'self.talk')
  await publish(['self.talk', 'me'])
  assert.deepEqual(await collected(publisher, 'own', 1), [['self.talk', 'me', 'publisher']])
})

test('messages arrive in the order sent, also large ones among small ones', async () => {
  await collect(one, 'mixed', 'mixed')
  await known(one, 'mixed', 'mixed')
  const lengths = await publisher.run(async mesh => {
    const lengths = []
    for (let i = 0; i < 300; i++) {
      const length = i % 10 === 0 ? 200_000 + i : i
      lengths.push(length)
      if (!mesh.publish('mixed', Buffer.alloc(length, i))) await new Promise(resolve => mesh.once('drain', resolve))
    }
    return lengths
  })
  const got = await collected(one, 'mixed', 301)
  assert.deepEqual(got.slice(1).map(m => m[1].length), lengths)
  assert.ok(got.slice(1).every((m, i) => m[1].every(byte => byte === i % 256)))
})

test('a reader that stops makes publish() false, holds the publisher to its bounds, and loses nothing', async () => {
  await one.run(async (mesh, keep) => {
    keep.slow = mesh.subscribe('slow', { highWaterMark: 10 })
    await keep.slow.ready
  })
  const sent = await publisher.run(async (mesh, keep) => {
    let count = 0
    keep.drained = false
    for (; count < 100_000; count++) if (!mesh.publish('slow', { count, pad: 'x'.repeat(1000) })) { count++; break }
    mesh.once('drain', () => { keep.drained = true })
    return count
  })
  assert.ok(sent < 100_000, 'publish() said false')
  assert.equal(await publisher.run((mesh, keep) => keep.drained), false)
  const got = await one.run(async (mesh, keep, sent) => {
    const numbers = []
    for await (const m of keep.slow) { numbers.push(m.data.count); if (numbers.length === sent) break }
    return numbers
  }, sent)
  assert.deepEqual(got, Array.from({ length: sent }, (_, i) => i))
  await publisher.run(async (mesh, keep) => { while (!keep.drained) await new Promise(setImmediate) })
})

test('a publisher that ignores "false" for ever is stopped before memory runs out', async () => {
  await two.run(async (mesh, keep) => { keep.stuck = mesh.subscribe('stuck', { highWaterMark: 1 }); await keep.stuck.ready })
  await assert.rejects(publisher.run(mesh => {
    for (let i = 0; i < 1000; i++) mesh.publish('stuck', Buffer.alloc(100_000))
  }), { code: 'ERR_WARREN_OVERLOADED', delivered: 'no' })
  await two.run((mesh, keep) => keep.stuck.unsubscribe({ discard: true }))
  // Once the reader is gone the queue empties and others are served again.
  await publisher.run(mesh => new Promise(resolve => mesh.once('drain', resolve)))
})

test('a subscription that may drop keeps the newest and counts what it dropped', async () => {
  await one.run(async (mesh, keep) => {
    keep.newest = mesh.subscribe('newest', { highWaterMark: 5, overflow: 'drop-oldest' })
    await keep.newest.ready
  })
  await collect(one, 'marker', 'newest.done')
  await known(one, 'marker', 'newest.done')
  await publish(...Array.from({ length: 50 }, (_, i) => ['newest', i]), ['newest.done', 'end'])
  await collected(one, 'marker', 2)
  const [dropped, kept] = await one.run(async (mesh, keep) => {
    const { dropped } = keep.newest
    keep.newest.unsubscribe()
    const kept = []
    for await (const m of keep.newest) kept.push(m.data)
    return [dropped, kept]
  })
  assert.equal(dropped, 45)
  assert.deepEqual(kept, [45, 46, 47, 48, 49])
})

test('what cannot be sent throws at once: subjects, functions, size', async () => {
  const codes = await publisher.run(mesh => [['a..b', 1], ['', 1], ['a.*', 1], ['a b', 1], ['ok', () => {}], ['ok', Buffer.alloc(2 << 20)]]
    .map(([subject, data]) => { try { return mesh.publish(subject, data) } catch (e) { return e.code } }))
  assert.deepEqual(codes, [...Array(4).fill('ERR_WARREN_BAD_SUBJECT'), 'ERR_WARREN_NOT_CLONEABLE', 'ERR_WARREN_TOO_LARGE'])
})

test('after unsubscribe nothing more arrives and the agent forgets it', async () => {
  await collect(one, 'gone', 'gone')
  await known(one, 'gone', 'gone')
  await one.run((mesh, keep) => keep.goneSubscription.unsubscribe())
  await assert.rejects(publisher.run(async mesh => {
    for (;;) { await mesh.request('gone', 1, { timeout: 50 }).catch(e => { if (e.code !== 'ERR_WARREN_TIMEOUT' && e.code !== 'ERR_WARREN_CLOSED') throw e }) }
  }), { code: 'ERR_WARREN_NO_RESPONDERS' })
})

test('flush() ends when a reader that was stopped reads again, and not before', async () => {
  const [writer, reader] = await cluster.members('writer', 'reader')
  await reader.run(async (mesh, keep) => {
    keep.flow = mesh.subscribe('stopped', { highWaterMark: 10_000 })
    await keep.flow.ready
  })
  const isFlushed = () => writer.run(async (mesh, keep) => {
    await new Promise(setImmediate)
    return keep.isFlushed
  })
  await writer.run(async (mesh, keep) => {
    mesh.publish('stopped', 'the link')
    await mesh.flush()
  })
  reader.process.kill('SIGSTOP')
  await writer.run((mesh, keep) => {
    for (let i = 0; i < 900; i++) mesh.publish('stopped', Buffer.alloc(1000))
    keep.isFlushed = false
    keep.flushed = Promise.all([mesh.flush(), mesh.flush()]).then(() => (keep.isFlushed = true))
  })
  for (let i = 0; i < 10; i++) assert.equal(await isFlushed(), false)
  reader.process.kill('SIGCONT')
  assert.equal(await writer.run((mesh, keep) => keep.flushed), true)
})
