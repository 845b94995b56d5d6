import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from './cluster.mjs'
import { collect, collected, known, publishAll } from './subscribers.mjs'

let cluster, publisher, one, two
before(async () => {
  cluster = await Cluster.start()
  ;[publisher, one, two] = await cluster.members('publisher', 'one', 'two')
})
after(() => cluster.stop())

const publish = (...messages) => publishAll(publisher, ...messages)

test('subjects match as in NATS: * one token, > the rest', async () => {
  await collect(one, 'star', 'orders.*.created')
  await collect(one, 'rest', 'orders.>')
  await known(publisher, one, 'star', 'orders.eu.created')
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
  await known(publisher, one, 'plain', 'work.x')
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

test('what cannot be sent throws at once: subjects, functions, size', async () => {
  const codes = await publisher.run(mesh => [['a..b', 1], ['', 1], ['a.*', 1], ['a b', 1], ['ok', () => {}], ['ok', Buffer.alloc(2 << 20)]]
    .map(([subject, data]) => { try { return mesh.publish(subject, data) } catch (e) { return e.code } }))
  assert.deepEqual(codes, [...Array(4).fill('ERR_WARREN_BAD_SUBJECT'), 'ERR_WARREN_NOT_CLONEABLE', 'ERR_WARREN_TOO_LARGE'])
})

test('after unsubscribe nothing more arrives and the agent forgets it', async () => {
  await collect(one, 'gone', 'gone')
  await known(publisher, one, 'gone', 'gone')
  await one.run((mesh, keep) => keep.goneSubscription.unsubscribe())
  await assert.rejects(publisher.run(async mesh => {
    for (;;) { await mesh.request('gone', 1, { timeout: 50 }).catch(e => { if (e.code !== 'ERR_WARREN_TIMEOUT' && e.code !== 'ERR_WARREN_CLOSED') throw e }) }
  }), { code: 'ERR_WARREN_NO_RESPONDERS' })
})

test('what was published right before the mesh is closed arrives, also when that is its first word to anybody', async () => {
  await collect(one, 'last', 'last.words')
  const [leaving] = await cluster.members('leaving')
  await leaving.run(async mesh => {
    while (![...mesh.peers.values()].some(({ name }) => name === 'one')) await new Promise(setImmediate)
    for (let i = 0; i < 3; i++) mesh.publish('last.words', i)
    await mesh.close()
  })
  assert.deepEqual((await collected(one, 'last', 3)).map(([, data]) => data), [0, 1, 2])
})
