// Rule: every queue is bounded in bytes, from the reader back to the publisher; publish() returns false above the mark and
// 'drain' follows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, publisher, one, two
before(async () => {
  cluster = await Cluster.start()
  ;[publisher, one, two] = await cluster.members('publisher', 'one', 'two')
})
after(() => cluster.stop())

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
  await assert.rejects(publisher.run((mesh, keep) => {
    keep.drained = new Promise(resolve => mesh.once('drain', resolve)) // it may come before the next word of this test
    for (let i = 0; i < 1000; i++) mesh.publish('stuck', Buffer.alloc(100_000))
  }), { code: 'ERR_WARREN_OVERLOADED', delivered: 'no' })
  await two.run((mesh, keep) => keep.stuck.unsubscribe({ discard: true }))
  // Once the reader is gone the queue empties and others are served again.
  await publisher.run((mesh, keep) => keep.drained.then(() => true))
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

test('calls that wait for a node that stands still are bounded, and those that did not fit are told at once', async () => {
  await two.run(async (mesh, keep) => {
    keep.ran = 0
    await mesh.serve('still', { take: data => { keep.ran++; return data.length } })
  })
  await publisher.run(async mesh => {
    await mesh.available('still')
    await mesh.client('still').take(Buffer.alloc(1)) // there is a link
  })
  two.process.kill('SIGSTOP')
  const [code, delivered] = await publisher.run(async (mesh, keep) => {
    keep.waiting = []
    const refused = new Promise(resolve => { keep.refused = resolve })
    for (let i = 0; i < 30; i++) {
      const call = mesh.client('still').take(Buffer.alloc(900_000), { timeout: 0 })
      keep.waiting.push(call.then(() => 'done', err => { keep.refused([err.code, err.delivered]); return 'refused' }))
    }
    return refused
  })
  two.process.kill('SIGCONT')
  const outcomes = await publisher.run((mesh, keep) => Promise.all(keep.waiting))
  const done = outcomes.filter(o => o === 'done').length
  assert.deepEqual([code, delivered], ['ERR_WARREN_OVERLOADED', 'no'])
  assert.ok(done >= 8 && done < 30, `${done} of 30 calls of 900 kB found room`)
  assert.equal(await two.run((mesh, keep) => keep.ran), done + 1)
})
