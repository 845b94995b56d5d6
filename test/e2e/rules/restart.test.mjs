// Rule: a node that starts again is another node. What was meant for the one before fails at once and reaches nobody else.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, caller
before(async () => {
  cluster = await Cluster.start()
  caller = await cluster.member('caller')
  const entry = join(cluster.dir, 'phoenix.mjs')
  writeFileSync(entry, `import { join } from 'warren'
const mesh = await join()
let calls = 0
const words = mesh.subscribe('phoenix.words')
const got = []
;(async () => { for await (const m of words) got.push(m.data) })()
await words.ready
await mesh.serve('phoenix', { id: () => mesh.self.id, calls: () => ++calls, got: () => got, die() { process.kill(process.pid, 'SIGKILL') }, hang: () => new Promise(() => {}) })
`)
  await cluster.warren('run', '-d', entry)
  await caller.run(async (mesh, keep) => {
    ;[keep.old] = await mesh.available('phoenix')
    keep.phoenix = mesh.client('phoenix')
    keep.seen = []
    mesh.on('peer:up', peer => keep.seen.push(['up', peer.id]))
    mesh.on('peer:down', peer => keep.seen.push(['down', peer.id]))
  })
})
after(() => cluster.stop())

test('a node that is started again has another id, serves again, and is told as another peer', async () => {
  const [oldId, newId, seen, instance] = await caller.run(async (mesh, keep) => {
    const { down } = mesh.monitor(keep.old)
    await keep.phoenix.die().catch(() => {})
    await down
    ;[keep.now] = await mesh.available('phoenix')
    return [keep.old.id, await keep.phoenix.id(), keep.seen, [keep.old.instance, keep.now.instance]]
  })
  assert.notEqual(newId, oldId)
  assert.deepEqual(seen.filter(([, id]) => id === oldId || id === newId), [['down', oldId], ['up', newId]])
  assert.equal(instance[0], instance[1])
})

test('a peer or an id of before reaches nobody: calls fail at once and certainly, monitors say noproc', async () => {
  const [byPeer, byId, down, calls] = await caller.run(async (mesh, keep) => {
    const told = err => [err.code, err.delivered]
    return [await keep.phoenix.calls(null, { to: keep.old, timeout: 0 }).catch(told), await keep.phoenix.calls(null, { to: keep.old.id, timeout: 0 }).catch(told),
      (await mesh.monitor(keep.old).down).reason, await keep.phoenix.calls()]
  })
  assert.deepEqual([byPeer, byId], [['ERR_WARREN_PEER_LOST', 'no'], ['ERR_WARREN_PEER_LOST', 'no']])
  assert.equal(down, 'noproc')
  assert.equal(calls, 1, 'the new one saw none of them')
})

test('a call open when its node dies is not carried over to the node that takes its place', async () => {
  const outcome = await caller.run(async (mesh, keep) => {
    const { down } = mesh.monitor(keep.now)
    const hanging = keep.phoenix.hang(null, { timeout: 0 }).catch(err => [err.code, err.delivered])
    await keep.phoenix.die().catch(() => {})
    await down
    await mesh.available('phoenix')
    return hanging
  })
  assert.deepEqual(outcome, ['ERR_WARREN_PEER_LOST', 'maybe'])
  assert.equal(await caller.run((mesh, keep) => keep.phoenix.calls()), 1)
})

test('it hears what is published from now on, and nothing of before', async () => {
  const got = await caller.run(async (mesh, keep) => {
    const [peer] = mesh.instances('phoenix')
    for (let i = 0; i < 10; i++) mesh.publish('phoenix.words', `before ${i}`)
    await keep.phoenix.got()
    const { down } = mesh.monitor(peer)
    await keep.phoenix.die().catch(() => {})
    await down
    await mesh.available('phoenix')
    for (let i = 0; i < 10; i++) mesh.publish('phoenix.words', i)
    let got
    while ((got = await keep.phoenix.got()).at(-1) !== 9);
    return got
  })
  assert.deepEqual(got, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})
