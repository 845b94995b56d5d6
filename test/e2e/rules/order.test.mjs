// Rule: messages from one node to one node on one lane arrive in the order sent.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'
import { collect, collected, known, publishAll } from '../messages/subscribers.mjs'

let cluster, publisher, one, two
before(async () => {
  cluster = await Cluster.start()
  ;[publisher, one, two] = await cluster.members('publisher', 'one', 'two')
})
after(() => cluster.stop())

test('messages arrive in the order sent, also large ones among small ones', async () => {
  await collect(one, 'mixed', 'mixed')
  await known(publisher, one, 'mixed', 'mixed')
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

test('each lane has an order of its own', async () => {
  await collect(one, 'lanes', 'lanes')
  await known(publisher, one, 'lanes', 'lanes')
  await publisher.run(async mesh => {
    for (let i = 0; i < 2000; i++) {
      for (const lane of ['bulk', 'normal']) {
        const pad = lane === 'bulk' ? 'x'.repeat(i % 50 === 0 ? 100_000 : 1000) : ''
        if (!mesh.publish('lanes', { lane, i, pad }, { lane })) await new Promise(resolve => mesh.once('drain', resolve))
      }
    }
  })
  await collected(one, 'lanes', 4001)
  const numbers = await one.run((mesh, keep) => ['normal', 'bulk'].map(lane => keep.lanes.filter(m => m[1].lane === lane).map(m => m[1].i)))
  for (const list of numbers) assert.deepEqual(list, Array.from({ length: 2000 }, (_, i) => i))
})

test('each of several readers gets all in order, and so does the publisher itself, while a reader stands still', async () => {
  for (const member of [publisher, one, two]) await collect(member, 'all', 'all')
  for (const member of [publisher, one, two]) await known(publisher, member, 'all', 'all')
  two.process.kill('SIGSTOP')
  const sent = publisher.run(async mesh => {
    for (let i = 0; i < 3000; i++) if (!mesh.publish('all', { i, pad: 'x'.repeat(1000) })) await new Promise(resolve => mesh.once('drain', resolve))
    mesh.publish('all', { i: 'end' })
  })
  await publisher.run(async (mesh, keep) => { while (keep.all.length < 500) await new Promise(setImmediate) })
  two.process.kill('SIGCONT')
  await sent
  for (const member of [publisher, one, two]) {
    const numbers = await member.run(async (mesh, keep) => {
      while (keep.all.at(-1)[1].i !== 'end') await new Promise(setImmediate)
      return keep.all.map(m => m[1].i).filter(Number.isInteger)
    })
    assert.deepEqual(numbers, Array.from({ length: 3000 }, (_, i) => i))
  }
})

test('calls and publications of one lane are begun in the order made', async () => {
  await one.run(async (mesh, keep) => {
    keep.begun = []
    const words = mesh.subscribe('begun', { highWaterMark: 100_000 })
    await words.ready
    ;(async () => { for await (const m of words) keep.published.push(m.data) })()
    keep.published = []
    await mesh.serve('begun', { begin(i) { keep.begun.push(i) } })
  })
  await publisher.run(async mesh => {
    await mesh.available('begun')
    const { begin } = mesh.client('begun')
    const calls = []
    for (let i = 0; i < 3000; i++) {
      calls.push(begin(i, { timeout: 0 }))
      mesh.publish('begun', i)
    }
    await Promise.all(calls)
  })
  const [calls, publications] = await one.run((mesh, keep) => [keep.begun, keep.published])
  assert.deepEqual(calls, Array.from({ length: 3000 }, (_, i) => i))
  assert.deepEqual(publications, [...publications].sort((a, b) => a - b))
})
