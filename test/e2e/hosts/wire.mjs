// What a network, or somebody on it, can do to bytes under way: change, delay, repeat, keep and say again, swallow.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { figure } from './figure.mjs'
import { Load, LONG_MS } from './load.mjs'

const NAMES = ['ada', 'bob', 'cyd']

const open = async (t) => {
  const cluster = await Cluster.open(t, NAMES, { proxied: true })
  cluster.proxies = cluster.hosts.map((host) => host.proxy)
  return cluster
}
const set = (cluster, settings) => Promise.all(cluster.proxies.map((proxy) => proxy.run((it, settings) => it.set(settings), settings)))
const counts = async (cluster) => Promise.all(cluster.proxies.map((proxy) => proxy.run((it) => it.counts)))
const sum = (all, name) => all.reduce((total, each) => total + each[name], 0)

const assertNobodyLost = (histories) => {
  for (const history of histories)
    for (const name of NAMES) history.mustHaveStayed(name)
}

const finish = async (t, load) => {
  for (const [outcome, count] of Object.entries(await load.end())) figure(t, outcome, count, 'calls')
}

export const changed = async (t) => {
  const cluster = await open(t), load = await Load.open(cluster)
  await set(cluster, { flip: 5 })
  await sleep(15_000)
  await set(cluster, {})
  const all = await counts(cluster)
  await Promise.all(cluster.hosts.map((host) => cluster.sees(host, cluster.hosts)))
  // New links come by themselves; one whose record lengths were changed is given up after 20 s.
  const slowest = await Promise.all(load.members.map((member) => member.run(async (mesh) => {
    const client = mesh.client('count'), from = performance.now()
    await mesh.available('count', { count: 3, timeout: 30_000 })
    for (const to of mesh.instances('count'))
      for (let tries = 0, isAnswered = false; !isAnswered; tries++) {
        if (performance.now() - from > 60_000) throw new Error(`${to.host} does not answer any more`)
        isAnswered = await client.run(`${mesh.self.host} after ${to.host} ${tries}`, { to, timeout: 2000 }).then(() => true, () => false)
      }
    return performance.now() - from
  })))
  figure(t, 'all answer all again after', Math.max(...slowest), 'ms')
  figure(t, 'bits changed', sum(all, 'flips'), 'bits')
  await finish(t, load)
  assert.ok(sum(all, 'flips') > 100)
}

// What one member says to another while connections break: publications, and the items of an answer.
const flow = async (from, to) => {
  await to.run(async (mesh, keep) => {
    keep.heard = []
    keep.flow = mesh.subscribe('flow')
    await keep.flow.ready
    ;(async () => { for await (const { data } of keep.flow) keep.heard.push(data) })()
  })
  await from.run(async (mesh, keep) => {
    keep.source = await mesh.serve('source', { async *items() { for (let i = 0; !keep.isFlowOver; i++) yield i } })
    while (keep.told === undefined) keep.told = await new Promise((resolve) => setTimeout(resolve, 200, 0))
    keep.telling = (async () => {
      while (!keep.isFlowOver) {
        if (!mesh.publish('flow', keep.told++)) await new Promise((resolve) => mesh.once('drain', resolve))
        if (keep.told % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
  })
  await to.run(async (mesh, keep) => {
    await mesh.available('source')
    keep.reading = (async () => {
      let count = 0
      for await (const i of await mesh.client('source').items()) if (i !== count++) throw new Error(`item ${i} where ${count - 1} was due`)
      return count
    })()
  })
}
const endFlow = async (from, to) => {
  const told = await from.run(async (mesh, keep) => {
    keep.isFlowOver = true
    await keep.telling
    return keep.told
  })
  const items = await to.run((mesh, keep) => keep.reading)
  const heard = await to.run(async (mesh, keep, told) => {
    while (keep.heard.at(-1) !== told - 1) await new Promise((resolve) => setTimeout(resolve, 10))
    return keep.heard.every((value, i) => value === keep.heard[0] + i) && keep.heard.length
  }, told)
  assert.ok(heard > 0, 'a publication was lost, came twice or out of order')
  return { items, heard }
}

export const reset = async (t) => {
  const cluster = await open(t), load = await Load.open(cluster, LONG_MS), [ada, bob] = load.members
  await load.linked()
  await flow(ada, bob)
  for (let round = 0; round < 20; round++) {
    await sleep(250)
    await Promise.all(cluster.proxies.map((proxy) => proxy.run((it) => it.cutLinks())))
  }
  const { items, heard } = await endFlow(ada, bob)
  const cuts = sum(await counts(cluster), 'cuts'), outcomes = await load.end()
  figure(t, 'connections reset', cuts, 'connections')
  figure(t, 'publications', heard, 'messages')
  figure(t, 'items of a stream', items, 'items')
  figure(t, 'answered', outcomes.answered, 'calls')
  assert.ok(cuts > 20)
  assert.deepEqual(Object.keys(outcomes), ['answered'])
}

export const delayed = async (t) => {
  const cluster = await open(t), load = await Load.open(cluster)
  const histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  await set(cluster, { delay: 25, jitter: 100, repeat: 20 })
  await sleep(20_000)
  await set(cluster, {})
  assertNobodyLost(histories)
  await finish(t, load)
}

export const replayed = async (t) => {
  const cluster = await open(t), [ada, bob, cyd] = cluster.hosts
  const histories = await Promise.all([ada, bob].map((host) => cluster.history(host)))
  await set(cluster, { isKept: true })
  // Whole sessions: an agent that comes again, and links of nodes.
  cyd.agentProcess.kill('SIGTERM')
  await cyd.agentProcess.ended
  cyd.agentProcess = await cyd.agent()
  await Promise.all(cluster.hosts.map((host) => cluster.sees(host, cluster.hosts)))
  const load = await Load.open(cluster)
  await sleep(3000)
  await load.end()
  await cluster.net.isolate(cyd)
  await cluster.until(ada, { cyd: 'down' })
  const from = histories.map((history) => history.states.length)
  for (const proxy of cluster.proxies.slice(0, 2)) {
    const datagrams = await proxy.run((it) => it.replayDatagrams())
    const sessions = await proxy.run((it) => it.replaySessions())
    const knocks = await proxy.run((it) => it.replaySessions(90)) // no more than what is answered in a handshake
    figure(t, 'said again', datagrams.sent, 'datagrams')
    figure(t, 'said again', sessions.sent, 'sessions')
    assert.ok(datagrams.sent > 0 && sessions.sent > 0)
    assert.equal(datagrams.answered, 0)
    assert.equal(sessions.answered, 0)
    assert.equal(knocks.answered, 0)
  }
  // What the dead host once said does not raise it.
  for (const [i, history] of histories.entries())
    for (const states of history.states.slice(from[i])) assert.equal(states.cyd, 'down')
  // An agent that was started anew has forgotten whom it heard, and lets no recording in either.
  ada.agentProcess.kill('SIGTERM')
  await ada.agentProcess.ended
  ada.agentProcess = await ada.agent()
  await cluster.until(ada, { bob: 'up', cyd: 'down' })
  const again = await cluster.proxies[0].run(async (it) => ({ datagrams: await it.replayDatagrams(), sessions: await it.replaySessions() }))
  figure(t, 'a new agent said to recorded sessions', again.sessions.answered, 'bytes')
  assert.equal(again.datagrams.answered, 0)
  assert.equal((await cluster.states(ada)).cyd, 'down')
  await cluster.net.heal()
  await Promise.all(cluster.hosts.map((host) => cluster.sees(host, cluster.hosts)))
}

// Datagrams pass, streams are swallowed: no host is down, but both ends of a link must notice.
export const halfOpen = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob']), [ada, bob] = cluster.hosts
  const caller = await cluster.member(ada, 'caller'), callee = await cluster.member(bob, 'callee')
  const talker = await cluster.member(ada, 'talker')
  const history = await cluster.history(ada)
  await callee.run(async (mesh, keep) => {
    keep.aborted = new Promise((resolve) => {
      keep.served = mesh.serve('endless', { wait: (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => resolve(Date.now()))) })
    })
    await keep.served
  })
  await caller.run(async (mesh, keep) => {
    await mesh.available('endless', { timeout: 20_000 })
    keep.failed = mesh.client('endless').wait(undefined, { timeout: 100_000 }).catch(({ code, delivered }) => ({ code, delivered, at: Date.now() }))
    await new Promise((resolve) => setTimeout(resolve, 500)) // the link is at rest
  })
  await talker.run(async (mesh, keep) => { // another link, with something under way at any time
    await mesh.available('endless', { timeout: 20_000 })
    await mesh.client('endless').nothing().catch(() => {}) // there is a link
    const talk = setInterval(() => mesh.client('endless').nothing().catch(() => {}), 20)
    keep.failed = mesh.client('endless').wait(undefined, { timeout: 100_000 }).catch(({ code }) => ({ code, at: Date.now() }))
    void keep.failed.then(() => clearInterval(talk))
  })
  const from = Date.now()
  for (const host of cluster.hosts) await host.nft('add rule ip faults in ip protocol tcp iifname eth0 drop')
  const { code, delivered, at } = await caller.run((mesh, keep) => keep.failed)
  assert.deepEqual({ code, delivered }, { code: 'ERR_WARREN_PEER_LOST', delivered: 'maybe' })
  const there = await callee.run((mesh, keep) => keep.aborted)
  figure(t, 'noticed by the caller after', at - from, 'ms')
  figure(t, 'noticed by the other end after', there - from, 'ms')
  const talked = await talker.run((mesh, keep) => keep.failed)
  figure(t, 'noticed by one that was sending after', talked.at - from, 'ms')
  assert.equal(talked.code, 'ERR_WARREN_PEER_LOST')
  t.diagnostic(`its host was ${history.of('bob')}`)
  assert.ok(Math.max(at, there, talked.at) - from < 40_000)
}
