// Processes of a cluster that are killed, stopped or slow: what the other hosts are told, and what they are not.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { isSanitized, skip } from './net.mjs'

const MIB = 1 << 20
const middle = (times) => times.sort((a, b) => a - b)[times.length >> 1]
const serve = (mesh, keep, name) => mesh.serve(name, { where: () => mesh.self.host, count: (n) => (keep.counted ??= []).push(n) }).then(() => true)
// Runs in a member: watches the one instance of a name from now on.
const watch = async (mesh, keep, name) => {
  const [peer] = await mesh.available(name, { timeout: 20_000 })
  keep[name] = mesh.monitor(peer).down.then(({ reason, code, signal }) => ({ reason, code, signal, at: Date.now() }))
}
const told = (mesh, keep, name) => keep[name]
const isTold = (mesh, keep, name) => Promise.race([keep[name].then(() => true), new Promise((resolve) => setImmediate(resolve, false))])

const stopFor = async (pid, ms) => {
  process.kill(pid, 'SIGSTOP')
  await sleep(ms)
  process.kill(pid, 'SIGCONT')
}

const killedNode = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [ada, bob] = cluster.hosts
  const watcher = await cluster.member(ada, 'watcher')
  const times = []
  for (let i = 0; i < 10; i++) {
    const victim = await cluster.member(bob, `victim-${i}`)
    await victim.run(serve, `victim-${i}`)
    await watcher.run(watch, `victim-${i}`)
    const from = Date.now()
    await victim.kill()
    const { reason, at } = await watcher.run(told, `victim-${i}`)
    assert.equal(reason, 'crash')
    times.push(at - from)
  }
  t.diagnostic(`node killed on another host: told after ${middle(times)} ms (median), ${Math.max(...times)} ms (worst of 10)`)
  assert.ok(Math.max(...times) < 3000)
  assert.deepEqual(await cluster.states(ada), { ada: 'up', bob: 'up', cyd: 'up' })
}

const killedAgent = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [ada, bob, cyd] = cluster.hosts
  const watcher = await cluster.member(ada, 'watcher')
  const entry = path.join(bob.dir, 'launched.mjs')
  fs.writeFileSync(entry, `import { join } from 'warren'
    const mesh = await join()
    await mesh.serve('launched', { pid: () => process.pid })`)
  await cluster.done(bob, 'run', '-d', entry)
  await watcher.run(watch, 'launched')
  const nodePid = await watcher.run((mesh) => mesh.client('launched').pid())
  const history = await cluster.history(cyd)
  const from = Date.now()
  process.kill(bob.agentPid(), 'SIGKILL')
  const end = await watcher.run(told, 'launched')
  await Promise.all([cluster.until(ada, { bob: 'down', cyd: 'up' }), cluster.until(cyd, { bob: 'down', ada: 'up' })])
  t.diagnostic(`agent killed: its node was told ${end.reason} after ${end.at - from} ms, its host down after ${Date.now() - from} ms`)
  assert.deepEqual(history.of('ada'), ['up'])
  // Its nodes end with it (docs/decisions/0004).
  while (fs.existsSync(`/proc/${nodePid}`)) await sleep(20)
  // And a new agent is a new life of the same host.
  bob.agentProcess = await bob.agent()
  await Promise.all([ada, cyd].map((host) => cluster.sees(host, cluster.hosts)))
  const again = await cluster.member(bob, 'again')
  await again.run(serve, 'again')
  assert.equal(await watcher.run(async (mesh) => {
    await mesh.available('again', { timeout: 20_000 })
    return mesh.client('again').where()
  }), 'bob')
}

const stoppedNode = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  const caller = await cluster.member(ada, 'caller'), sleeper = await cluster.member(bob, 'sleeper')
  await sleeper.run(serve, 'sleeper')
  await caller.run(watch, 'sleeper')
  await caller.run(async (mesh, keep) => {
    const client = mesh.client('sleeper')
    await client.count(-1)
    keep.calls = Promise.all(Array.from({ length: 500 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n * 10))
      await client.count(n, { timeout: 20_000 })
    }))
  })
  await stopFor(sleeper.process.pid, 5000)
  await caller.run((mesh, keep) => keep.calls.then(() => true))
  assert.equal(await caller.run(isTold, 'sleeper'), false)
  assert.deepEqual(await sleeper.run((mesh, keep) => keep.counted), Array.from({ length: 501 }, (_, i) => i - 1))
}

const stoppedAgents = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  for (const host of cluster.hosts) {
    await stopFor(host.agentPid(), 5000)
    await Promise.all(cluster.hosts.map((other) => cluster.sees(other, cluster.hosts)))
  }
  const said = histories.flatMap((history) => cluster.hosts.flatMap(({ name }) => history.of(name)))
  t.diagnostic(`agents stopped for 5 s, one after the other: hosts were called ${[...new Set(said)]}`)
  assert.ok(!said.includes('down') && !said.includes('unreachable') && !said.includes('left'))
}

// One subscriber stands still: the publisher's memory stays, the other subscriber goes on, and whatever is lost is told.
const stoppedReader = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [publisher, stopped, reader] = await Promise.all(cluster.hosts.map((host) => cluster.member(host, `on-${host.name}`)))
  const listen = async (mesh, keep) => {
    keep.got = 0
    keep.last = -1
    const heard = mesh.subscribe('flood')
    await heard.ready
    await mesh.serve('listening', { got: () => keep.got })
    void (async () => {
      for await (const { data } of heard) {
        if (data.n <= keep.last) throw new Error(`message ${data.n} after ${keep.last}`)
        keep.last = data.n
        keep.got++
      }
    })()
  }
  await stopped.run(listen)
  await reader.run(listen)
  await publisher.run(async (mesh) => {
    await mesh.available('listening', { count: 2, timeout: 20_000 })
    for (let n = 0; n < 100; n++) mesh.publish('flood', { n, text: 'x'.repeat(100_000) })
    await mesh.flush()
  })
  process.kill(stopped.process.pid, 'SIGSTOP')
  const figures = await publisher.run(async (mesh) => {
    const before = process.memoryUsage.rss(), wait = () => new Promise((resolve) => setTimeout(resolve, 10))
    const refused = []
    let slow = 0
    for (let n = 100; n < 1100; n++) {
      try {
        if (!mesh.publish('flood', { n, text: 'x'.repeat(100_000) })) slow++
      } catch (error) {
        if (error.code !== 'ERR_WARREN_OVERLOADED') throw error
        refused.push(n)
      }
      if (n % 10 === 0) await wait()
    }
    return { growth: process.memoryUsage.rss() - before, slow, refused }
  })
  const { growth, slow, refused } = figures
  t.diagnostic(`100 MB offered with one of two readers stopped: ${(growth / MIB).toFixed(1)} MiB more memory; publish() said false ${slow} times, refused ${refused.length}`)
  assert.ok(growth < (isSanitized ? 256 : 64) * MIB)
  assert.ok(refused.length > 0 && slow > 0)
  process.kill(stopped.process.pid, 'SIGCONT')
  // What was not refused arrives, once and in order, at both.
  for (const member of [reader, stopped])
    await member.run(async (mesh, keep, count) => {
      while (keep.got < count) await new Promise((resolve) => setTimeout(resolve, 20))
      if (keep.got > count) throw new Error(`${keep.got} arrived of ${count}`)
    }, 1100 - refused.length)
}

// Calls of one node to another keep their order, so a large one delays those behind it; another node's must not wait for it.
const slowLine = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  const caller = await cluster.member(ada, 'caller'), other = await cluster.member(ada, 'other'), far = await cluster.member(bob, 'far')
  await far.run((mesh) => mesh.serve('far', { size: (text) => text.length, hello: () => 'hello' }).then(() => true))
  const history = await cluster.history(bob)
  await cluster.net.pace(ada, '1mbit')
  const large = caller.run(async (mesh) => {
    await mesh.available('far', { timeout: 20_000 })
    const from = performance.now(), size = await mesh.client('far').size('x'.repeat(900_000), { timeout: 60_000 })
    return { size, ms: Math.round(performance.now() - from) }
  })
  const worst = other.run(async (mesh, keep) => {
    await mesh.available('far', { timeout: 20_000 })
    for (keep.worst = 0; !keep.isOver; ) {
      const began = performance.now()
      await mesh.client('far').hello(undefined, { timeout: 30_000 })
      keep.worst = Math.max(keep.worst, Math.round(performance.now() - began))
    }
    return keep.worst
  })
  const { size, ms } = await large
  await other.run((mesh, keep) => { keep.isOver = true })
  assert.equal(size, 900_000)
  t.diagnostic(`at 1 Mbit/s 900 kB took ${ms} ms; a small call of another node meanwhile at most ${await worst} ms`)
  assert.ok(await worst < ms)
  assert.ok(!history.of('ada').some((state) => ['down', 'unreachable'].includes(state)))
}

test('processes that fail', { concurrency: true, skip }, (t) => Promise.all([
  t.test('a node killed on another host is told at once, as a crash', killedNode),
  t.test('an agent that is killed: its nodes end, its host is told down, and comes back with a new agent', killedAgent),
  t.test('a node stopped for 5 s is never down, and loses nothing', stoppedNode),
  t.test('an agent stopped for 5 s is never called down', stoppedAgents),
  t.test('a reader that stands still costs its publisher a bounded memory', stoppedReader),
  t.test('a slow line between hosts: a large message does not hold up other nodes, and nobody is lost', slowLine),
]))
