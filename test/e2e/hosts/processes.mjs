// Processes of a cluster that are killed, stopped or slow: what the other hosts are told, and what they are not.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { figure, isWhole } from './figure.mjs'
import { isSanitized } from './net.mjs'
import { putInFront } from './proxy.mjs'

const MIB = 1 << 20
const middle = (times) => times.sort((a, b) => a - b)[times.length >> 1]
const serve = (mesh, keep, name) => mesh.serve(name, { where: () => mesh.self.host, count: (n) => (keep.counted ??= []).push(n), take: ({ n }) => (keep.counted ??= []).push(n) }).then(() => true)
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

export const killedNode = async (t) => {
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
  figure(t, 'told after (median of 10)', middle(times), 'ms')
  figure(t, 'told after (worst of 10)', Math.max(...times), 'ms')
  assert.ok(Math.max(...times) < 3000)
  assert.deepEqual(await cluster.states(ada), { ada: 'up', bob: 'up', cyd: 'up' })
}

export const killedAgent = async (t) => {
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
  figure(t, `its node was told ${end.reason} after`, end.at - from, 'ms')
  figure(t, 'its host was told down after', Date.now() - from, 'ms')
  history.mustHaveStayed('ada')
  // Its nodes live on, and the next agent of the host adopts them (docs/decisions/0016).
  bob.agentProcess = await bob.agent()
  await Promise.all([ada, cyd].map((host) => cluster.sees(host, cluster.hosts)))
  const again = await cluster.member(bob, 'again')
  await again.run(serve, 'again')
  assert.equal(await watcher.run(async (mesh) => {
    await mesh.available('again', { timeout: 20_000 })
    return mesh.client('again').where()
  }), 'bob')
  assert.equal(await watcher.run(async (mesh) => {
    await mesh.available('launched', { timeout: 20_000 })
    return mesh.client('launched').pid()
  }), nodePid)
}

// A call every 10 ms while the node stands still: what is in the socket when it goes on is answered.
export const stoppedNode = async (t) => {
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

// Longer than any time-out of a link, and with more on its way than the kernel's buffers hold.
export const longStoppedNode = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  const caller = await cluster.member(ada, 'caller'), sleeper = await cluster.member(bob, 'sleeper')
  await sleeper.run(serve, 'sleeper')
  await caller.run(watch, 'sleeper')
  const history = await cluster.history(ada)
  await caller.run((mesh) => mesh.client('sleeper').count(-1).then(() => true))
  const stopped = stopFor(sleeper.process.pid, isWhole ? 60_000 : 30_000)
  await caller.run((mesh, keep) => {
    const client = mesh.client('sleeper')
    const call = (n) => client.take({ n, text: 'x'.repeat(20_000) }, { timeout: 100_000 }).then(() => 'answered', ({ delivered }) => ({ no: 'not delivered', maybe: 'maybe delivered' })[delivered])
    keep.calls = Promise.all(Array.from({ length: 200 }, (_, n) => call(n)))
  })
  await stopped
  const outcomes = await caller.run((mesh, keep) => keep.calls)
  assert.equal(await caller.run(isTold, 'sleeper'), false)
  history.mustHaveStayed('bob')
  // More waited for it than the sockets hold: it did not read, and yet its link is still the same.
  assert.deepEqual(outcomes.filter((outcome) => outcome !== 'answered'), [])
  const counted = await sleeper.run((mesh, keep) => keep.counted)
  assert.deepEqual(counted.sort((a, b) => a - b), Array.from({ length: 201 }, (_, n) => n - 1))
  const from = performance.now()
  await caller.run((mesh) => mesh.client('sleeper').count(1000, { timeout: 20_000 }).then(() => true))
  figure(t, 'the next call took', performance.now() - from, 'ms')
}

export const stoppedAgents = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd', 'dan', 'eve'])
  const histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  const stopped = cluster.hosts.slice(0, isWhole ? 5 : 3)
  for (let round = 0; round < (isWhole ? 2 : 1); round++)
    for (const host of stopped) {
      await stopFor(host.agentPid(), 5000)
      await Promise.all(cluster.hosts.map((other) => cluster.sees(other, cluster.hosts)))
      const said = histories.flatMap((history) => cluster.hosts.flatMap(({ name }) => history.of(name)))
      assert.deepEqual(said.filter((state) => ['down', 'unreachable', 'left'].includes(state)), [])
    }
  figure(t, 'stops, none called down', stopped.length * (isWhole ? 2 : 1), 'stops')
  const suspected = histories.flatMap((history) => history.states).filter((states) => Object.values(states).includes('suspect'))
  figure(t, 'tables with a suspect', suspected.length, 'tables')
}

// One subscriber stands still: the publisher's memory stays, the other subscriber goes on, and whatever is lost is told.
export const stoppedReader = async (t) => {
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
    for (let n = 0; n < 50; n++) mesh.publish('flood', { n, text: 'x'.repeat(100_000) })
    await mesh.flush()
  })
  process.kill(stopped.process.pid, 'SIGSTOP')
  const figures = await publisher.run(async (mesh) => {
    const before = process.memoryUsage.rss(), wait = () => new Promise((resolve) => setTimeout(resolve, 10))
    const refused = []
    let slow = 0
    for (let n = 50; n < 1050; n++) {
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
  figure(t, '100 MB offered: more memory in the publisher', growth / MIB, 'MiB')
  figure(t, 'refused of 1,000', refused.length, 'messages')
  assert.ok(growth < (isSanitized ? 256 : 64) * MIB)
  assert.ok(refused.length > 0 && slow > 0)
  process.kill(stopped.process.pid, 'SIGCONT')
  // What was not refused arrives, once and in order, at both.
  for (const member of [reader, stopped])
    await member.run(async (mesh, keep, count) => {
      while (keep.got < count) await new Promise((resolve) => setTimeout(resolve, 20))
      if (keep.got > count) throw new Error(`${keep.got} arrived of ${count}`)
    }, 1050 - refused.length)
}

// Calls of one node to another keep their order, so a large one delays those behind it; another node's must not wait for it.
export const slowLine = async (t) => {
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
  figure(t, '900 kB at 1 Mbit/s took', ms, 'ms')
  figure(t, 'a small call of another node meanwhile at most', await worst, 'ms')
  assert.ok(await worst < ms)
  history.mustHaveStayed('ada')
}

const percentile = (times, percent) => [...times].sort((a, b) => a - b)[Math.floor(times.length * percent / 100)]

// One of two subscribers reads a kilobyte a second: calls of the publisher to the other one take what they took before.
export const slowReader = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [publisher, reader, slow] = await Promise.all(cluster.hosts.map((host) => cluster.member(host, `on-${host.name}`)))
  const proxy = await putInFront(t, cluster.hosts[2])
  const history = await cluster.history(cluster.hosts[0])
  for (const member of [reader, slow])
    await member.run(async (mesh) => {
      const heard = mesh.subscribe('flood')
      await heard.ready
      await mesh.serve(mesh.self.name, { hello: () => 'hello' })
      void (async () => { for await (const _ of heard); })()
    })
  // For so long, or until something is refused if that is longer.
  const measure = (seconds, isRefused = false) => publisher.run(async (mesh, keep, [seconds, isRefused]) => {
    const [peer] = await mesh.available('on-bob', { timeout: 20_000 })
    await mesh.available('on-cyd', { timeout: 20_000 })
    const before = process.memoryUsage.rss(), times = [], text = 'x'.repeat(10_000), until = performance.now() + seconds * 1000
    let refused = 0
    for (let n = 0; performance.now() < until || (isRefused && refused === 0); n++) {
      try {
        mesh.publish('flood', { n, text })
      } catch (error) {
        if (error.code !== 'ERR_WARREN_OVERLOADED') throw error
        refused++
      }
      const from = performance.now()
      await mesh.client('on-bob').hello(undefined, { to: peer, timeout: 20_000 })
      times.push(performance.now() - from)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    return { times, refused, growth: process.memoryUsage.rss() - before }
  }, [seconds, isRefused])
  await measure(isWhole ? 10 : 4) // code and memory that any load would need
  const quick = await measure(isWhole ? 20 : 6)
  await proxy.run((it) => it.set({ pace: 1000 }))
  const held = await measure(isWhole ? 20 : 10, true)
  for (const percent of [50, 99]) {
    figure(t, `a call to the other reader, p${percent}, both read`, percentile(quick.times, percent), 'ms')
    figure(t, `a call to the other reader, p${percent}, one is slow`, percentile(held.times, percent), 'ms')
  }
  figure(t, 'refused', held.refused, 'messages')
  figure(t, 'more memory in the publisher', held.growth / MIB, 'MiB')
  assert.equal(quick.refused, 0)
  assert.ok(held.refused > 0)
  assert.ok(held.growth < (isSanitized ? 256 : 64) * MIB)
  history.mustHaveStayed('cyd')
}

// A gigabyte on the bulk lane, and small calls beside it on the same link.
export const bulk = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [caller, callee] = await Promise.all(cluster.hosts.map((host) => cluster.member(host, `on-${host.name}`)))
  await callee.run((mesh) => mesh.serve('store', { put: (bytes) => bytes.length, hello: () => 'hello' }).then(() => true))
  const { times, ms, total } = await caller.run(async (mesh, keep, count) => {
    await mesh.available('store', { timeout: 20_000 })
    const store = mesh.client('store'), piece = Buffer.alloc(1_000_000, 7), from = performance.now()
    let left = count, total = 0
    const lane = async () => {
      while (left-- > 0) {
        const size = await store.put(piece, { lane: 'bulk', timeout: 60_000 })
        total += size
      }
    }
    const all = Promise.all([lane(), lane(), lane(), lane()]).then(() => { keep.isOver = true })
    const times = []
    while (!keep.isOver) {
      const began = performance.now()
      await store.hello(undefined, { timeout: 20_000 })
      times.push(performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await all
    return { times, ms: performance.now() - from, total }
  }, isWhole ? 1074 : 200)
  assert.equal(total, (isWhole ? 1074 : 200) * 1_000_000)
  figure(t, 'in bulk', total / ms / 1000, 'MB/s')
  for (const percent of [50, 99]) figure(t, `a small call beside it, p${percent}`, percentile(times, percent), 'ms')
}
