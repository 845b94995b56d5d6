// kill -9 of nodes on one host: who monitors them is told at once, once, and for certain.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { figure } from '../hosts/figure.mjs'
import { Cluster } from '../messages/cluster.mjs'

const COUNT = 10

let cluster, watcher
before(async () => {
  cluster = await Cluster.start()
  watcher = await cluster.member('watcher')
})
after(() => cluster.stop())

test('the death of each of ten nodes is told once, with its signal', async (t) => {
  const entry = join(cluster.dir, 'victim.mjs')
  writeFileSync(entry, "import { join } from 'warren'\nconst mesh = await join()\nawait mesh.serve('victim', { pid: () => process.pid })\n")
  await cluster.warren('run', '-d', '--restart', 'never', '-i', String(COUNT), entry)
  const pids = await watcher.run(async (mesh, keep, count) => {
    let peers
    while ((peers = await mesh.available('victim')).length < count) await new Promise(setImmediate)
    keep.told = []
    for (const peer of peers) mesh.monitor(peer).down.then(({ signal }) => keep.told.push({ pid: peer.pid, signal, at: Date.now() }))
    return peers.map(({ pid }) => pid)
  }, COUNT)
  const took = []
  for (const pid of pids) {
    const killedAt = Date.now()
    process.kill(pid, 'SIGKILL')
    const told = await watcher.run(async (mesh, keep, pid) => {
      let found
      while (!(found = keep.told.find((each) => each.pid === pid))) await new Promise(setImmediate)
      return found
    }, pid)
    assert.equal(told.signal, 'SIGKILL')
    took.push(told.at - killedAt)
  }
  assert.equal(await watcher.run((mesh, keep) => keep.told.length), COUNT)
  took.sort((a, b) => a - b)
  figure(t, 'a node killed, told after (median of 10)', took[COUNT / 2], 'ms')
  figure(t, 'a node killed, told after (worst of 10)', took[COUNT - 1], 'ms')
})
