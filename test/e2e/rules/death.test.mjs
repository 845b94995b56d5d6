import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, watcher
before(async () => {
  cluster = await Cluster.start()
  watcher = await cluster.member('watcher')
})
after(() => cluster.stop())

const watch = (name) => watcher.run(async (mesh, keep, name) => {
  let peer
  while (!(peer = [...mesh.peers.values()].find(p => p.name === name))) await new Promise(resolve => mesh.once('peer:up', resolve))
  keep[name] = mesh.monitor(peer).down
}, name)
const downOf = (name) => watcher.run(async (mesh, keep, name) => {
  const { reason, code, signal, peer } = await keep[name]
  return { reason, code, signal, status: peer.status, isListed: mesh.peers.has(peer.id) }
}, name)

test('the end of a launched node is told with its reason and exit code', async () => {
  const ends = { normal: 'process.exit(0)', crash: 'process.exit(3)', killed: "process.kill(process.pid, 'SIGKILL')" }
  const told = {}
  for (const [name, code] of Object.entries(ends)) {
    const entry = join(cluster.dir, `${name}.mjs`)
    writeFileSync(entry, `import { join } from 'warren'\nconst mesh = await join()\nawait mesh.serve('end.${name}', { end() { ${code} } })\n`)
    await cluster.warren('run', '-d', '--restart', 'never', entry)
    told[name] = await watcher.run(async (mesh, keep, name) => {
      const [peer] = await mesh.available(`end.${name}`)
      const down = mesh.monitor(peer).down
      await mesh.client(`end.${name}`).end().catch(() => {})
      const { reason, code, signal } = await down
      return { reason, code, signal, status: peer.status, isListed: mesh.peers.has(peer.id) }
    }, name)
  }
  const gone = { status: 'down', isListed: false }
  assert.deepEqual(told, {
    normal: { reason: 'normal', code: 0, signal: null, ...gone },
    crash: { reason: 'crash', code: 3, signal: null, ...gone },
    killed: { reason: 'killed', code: null, signal: 'SIGKILL', ...gone },
  })
})

test('a process that joined by itself and dies is a crash with an unknown code: it is not the agent\'s child', async () => {
  const victim = await cluster.member('victim')
  await watch('victim')
  await victim.kill()
  const { reason, code } = await downOf('victim')
  assert.deepEqual({ reason, code }, { reason: 'crash', code: null })
})

test('a node that closes its mesh has left', async () => {
  const leaver = await cluster.member('leaver')
  await watch('leaver')
  await leaver.run(mesh => mesh.close())
  assert.equal((await downOf('leaver')).reason, 'left')
})

test('a call to a node that dies fails at once, long before its deadline, and may have been delivered', async () => {
  const victim = await cluster.member('fragile')
  await victim.run(async mesh => { await mesh.serve('fragile', { die: () => process.kill(process.pid, 'SIGKILL') }) })
  const error = await watcher.run(async mesh => {
    const [peer] = await mesh.available('fragile')
    const { down } = mesh.monitor(peer)
    const started = Date.now()
    const e = await mesh.client('fragile').die(null, { timeout: 60_000 }).catch(thrown => thrown)
    const isSoon = Date.now() - started < 30_000
    await down // until the agent has told its end, the service seems to be there
    return { code: e.code, delivered: e.delivered, isSoon }
  })
  assert.deepEqual(error, { code: 'ERR_WARREN_PEER_LOST', delivered: 'maybe', isSoon: true })
  await assert.rejects(watcher.run(mesh => mesh.client('fragile').die()), { code: 'ERR_WARREN_NO_RESPONDERS', delivered: 'no' })
})

test('the monitor fires after the last message of the dead', async () => {
  const talker = await cluster.member('talker')
  await watch('talker')
  await watcher.run(async (mesh, keep) => {
    keep.seen = []
    const words = mesh.subscribe('last.words', { highWaterMark: 100_000 })
    await words.ready
    ;(async () => { for await (const m of words) keep.seen.push(m.data) })()
    keep.talker.then(() => { setImmediate(() => keep.seen.push('down')) })
  })
  await talker.run(async mesh => {
    while (!mesh.publish('last.words', 'first')) await new Promise(resolve => mesh.once('drain', resolve))
    await mesh.flush()
  })
  await watcher.run(async (mesh, keep) => { while (keep.seen.length === 0) await new Promise(setImmediate) })
  // Its last words and its death reach the watcher at about the same time.
  await talker.run(async mesh => {
    for (let i = 0; i < 5000; i++) mesh.publish('last.words', i)
    await mesh.flush()
    process.kill(process.pid, 'SIGKILL')
  }).catch(() => {})
  const seen = await watcher.run(async (mesh, keep) => {
    while (keep.seen.at(-1) !== 'down') await new Promise(setImmediate)
    return keep.seen
  })
  const numbers = seen.slice(1, -1)
  assert.deepEqual(numbers, Array.from(numbers, (_, i) => i), 'in order, without a gap, nothing after "down"')
  assert.equal(numbers.length, 5000)
})

test('monitoring the dead fires at once, and a cancelled monitor never', async () => {
  const [short, other] = await cluster.members('short', 'other')
  await watch('short')
  await watcher.run((mesh, keep) => {
    keep.peer = [...mesh.peers.values()].find(p => p.name === 'short')
    const cancelled = mesh.monitor(keep.peer)
    cancelled.down.then(() => { keep.cancelledFired = true })
    cancelled.cancel()
  })
  await short.kill()
  await downOf('short')
  assert.equal(await watcher.run((mesh, keep) => mesh.monitor(keep.peer).down.then(d => d.reason)), 'noproc')
  assert.equal(await watcher.run((mesh, keep) => keep.cancelledFired), undefined)
  await other.kill()
})

test('without the agent, links and messages go on, and the mesh says what it lost', async () => {
  const own = await Cluster.start()
  const [a, b] = await own.members('a', 'b')
  await a.run(async mesh => { await mesh.serve('still', { here: () => 'yes' }) })
  await b.run(async (mesh, keep) => {
    await mesh.available('still')
    await mesh.client('still').here()
    keep.lost = new Promise(resolve => mesh.once('error', resolve))
  })
  own.agent.kill('SIGKILL')
  assert.equal(await b.run((mesh, keep) => keep.lost.then(e => e.code)), 'ERR_WARREN_AGENT_LOST')
  assert.equal(await b.run(mesh => mesh.client('still').here()), 'yes')
  await own.stop()
})

test('with no agent, join() says so and what to do', async () => {
  const own = await Cluster.start()
  own.agent.kill('SIGTERM')
  await new Promise(resolve => own.agent.once('exit', resolve))
  const warren = await import('warren')
  await assert.rejects(warren.join({ agentPath: `${own.dir}/agent.sock` }), { code: 'ERR_WARREN_NO_AGENT', message: /warren (run|agent)/ })
  await own.stop()
})

test('with an agent that is stopped, join() says so and does not wait for ever', async (t) => {
  const own = await Cluster.start()
  t.after(() => own.agent.kill('SIGCONT') && own.stop())
  own.agent.kill('SIGSTOP')
  const warren = await import('warren')
  await assert.rejects(warren.join({ agentPath: `${own.dir}/agent.sock` }), { code: 'ERR_WARREN_NO_AGENT', message: /stopped or stuck/ })
})
