// Rule: every lost message is told to at least one side: by an error, by an event, or by a counter.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'
import { collect, collected, known, publishAll } from '../messages/subscribers.mjs'

let cluster, publisher, one
before(async () => {
  cluster = await Cluster.start()
  ;[publisher, one] = await cluster.members('publisher', 'one')
})
after(() => cluster.stop())

test('a subscription that may drop keeps the newest and counts what it dropped', async () => {
  await one.run(async (mesh, keep) => {
    keep.newest = mesh.subscribe('newest', { highWaterMark: 5, overflow: 'drop-oldest' })
    await keep.newest.ready
  })
  await collect(one, 'marker', 'newest.done')
  await known(publisher, one, 'marker', 'newest.done')
  await publishAll(publisher, ...Array.from({ length: 50 }, (_, i) => ['newest', i]), ['newest.done', 'end'])
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

test('what waits for a node that dies is counted, and its death is told', async () => {
  const victim = await cluster.member('victim')
  await collect(victim, 'doomed', 'doomed')
  await known(publisher, victim, 'doomed', 'doomed')
  victim.process.kill('SIGSTOP')
  await publisher.run((mesh, keep) => {
    const [peer] = [...mesh.peers.values()].filter(p => p.name === 'victim')
    keep.before = mesh.stats.lostPublications
    keep.down = mesh.monitor(peer).down
    while (mesh.publish('doomed', Buffer.alloc(10_000)));
    keep.last = 100
    for (let i = 0; i < keep.last; i++) mesh.publish('doomed', i) // behind what the link cannot take
  })
  await victim.kill()
  const [reason, lost] = await publisher.run(async (mesh, keep) => [(await keep.down).reason, mesh.stats.lostPublications - keep.before])
  assert.equal(reason, 'crash')
  assert.ok(lost >= 100, `${lost} counted`)
})

test('those that are lost with a node are told by one gap, ahead of its end', async () => {
  const victim = await cluster.member('gone')
  await collect(victim, 'gaps', 'gaps')
  await known(publisher, victim, 'gaps', 'gaps')
  victim.process.kill('SIGSTOP')
  await publisher.run((mesh, keep) => {
    keep.before = mesh.stats.lostPublications
    keep.told = []
    keep.ended = new Promise(resolve => {
      mesh.on('gap', ({ peer, direction, count }) => keep.told.push({ name: peer.name, status: peer.status, direction, count, counted: mesh.stats.lostPublications - keep.before }))
      mesh.on('peer:down', ({ name }) => { if (name === 'gone') { keep.told.push('down'); resolve() } })
    })
    while (mesh.publish('gaps', Buffer.alloc(10_000)));
  })
  await victim.kill()
  const [told, lost] = await publisher.run(async (mesh, keep) => { await keep.ended; mesh.removeAllListeners('gap'); return [keep.told, mesh.stats.lostPublications - keep.before] })
  assert.ok(lost > 0)
  assert.deepEqual(told, [{ name: 'gone', status: 'up', direction: 'out', count: lost, counted: lost }, 'down'])
})

test('each publication to readers that live is delivered or refused by an error, under any pressure', async () => {
  await collect(one, 'pressed', 'pressed', { highWaterMark: 1_000_000 })
  await known(publisher, one, 'pressed', 'pressed')
  one.process.kill('SIGSTOP')
  const accepted = await publisher.run(mesh => {
    const accepted = []
    for (let i = 0; i < 2000; i++) {
      try { mesh.publish('pressed', [i, Buffer.alloc(9000)]) } catch (err) { if (err.code !== 'ERR_WARREN_OVERLOADED' || err.delivered !== 'no') throw err; continue }
      accepted.push(i)
    }
    return accepted
  })
  assert.ok(accepted.length < 2000, 'some were refused')
  one.process.kill('SIGCONT')
  await collected(one, 'pressed', accepted.length + 1)
  assert.deepEqual(await one.run((mesh, keep) => keep.pressed.slice(1).map(m => m[1][0])), accepted)
})

test('a message of a group whose chosen member dies goes to no other, and is counted', async () => {
  const [left, right] = await cluster.members('left', 'right')
  for (const member of [left, right]) await collect(member, 'jobs', 'jobs', { queue: 'workers', tags: { side: member === left ? 'left' : 'right' } })
  const jobs = (from, count, side) => publisher.run((mesh, keep, from, count, tags) => {
    for (let i = from; i < from + count; i++) mesh.publish('jobs', [i, Buffer.alloc(30_000)], { tags })
  }, from, count, { side })
  const got = member => member.run((mesh, keep) => keep.jobs.map(m => m[1][0]))
  for (const [member, side] of [[left, 'left'], [right, 'right']]) while ((await got(member)).length === 0) await jobs(-1, 1, side)
  left.process.kill('SIGSTOP')
  await publisher.run((mesh, keep) => {
    keep.before = mesh.stats.lostPublications
    keep.down = mesh.monitor([...mesh.peers.values()].find(p => p.name === 'left')).down
  })
  await jobs(0, 200, 'left')
  await left.kill()
  const lost = await publisher.run(async (mesh, keep) => { await keep.down; return mesh.stats.lostPublications - keep.before })
  await jobs(200, 100, 'right')
  const numbers = await right.run(async (mesh, keep) => {
    while (keep.jobs.at(-1)[1][0] !== 299) await new Promise(setImmediate)
    return keep.jobs.map(m => m[1][0]).filter(i => i >= 0)
  })
  assert.deepEqual(numbers, Array.from({ length: 100 }, (_, i) => 200 + i))
  assert.ok(lost > 100 && lost <= 200, `${lost} of 200 counted as lost`) // the others were with the operating system
})
