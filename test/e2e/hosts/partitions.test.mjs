// Networks that lose packets or fall apart, five hosts, calls going on all the while. Times are printed, not judged but
// by generous bounds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { Load } from './load.mjs'
import { skip } from './net.mjs'

const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve']
const MERGE_MS = 90_000
const all = (state, hosts) => Object.fromEntries(hosts.map(({ name }) => [name, state]))
const GONE = ['unreachable', 'down']

const open = async (t) => {
  const cluster = await Cluster.open(t, NAMES)
  cluster.load = await Load.open(cluster)
  cluster.histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  return cluster
}

const since = (from) => Math.round(performance.now() - from)

// Until everybody sees everybody again.
const merge = async (t, cluster, what) => {
  await cluster.net.heal()
  const from = performance.now()
  await Promise.all(cluster.hosts.map((host) => cluster.sees(host, cluster.hosts)))
  t.diagnostic(`${what}: merged ${since(from)} ms after it was healed`)
  assert.ok(since(from) < MERGE_MS)
}

// Nobody but `except` was ever called gone by anybody.
const assertNobodyLost = (cluster, except = []) => {
  const others = cluster.hosts.filter((host) => !except.includes(host))
  for (const history of cluster.histories)
    for (const { name } of others) assert.ok(!history.of(name).some((state) => GONE.includes(state)), `${name} was ${history.of(name)}`)
}

const finish = async (t, cluster) => t.diagnostic(`calls: ${JSON.stringify(await cluster.load.end())}`)

const lossy = (percent, ms) => async (t) => {
  const cluster = await open(t)
  await cluster.net.lose(percent)
  await sleep(ms) // nothing is waited for: nothing shall happen
  await merge(t, cluster, `${percent} % loss`)
  assertNobodyLost(cluster)
  const suspected = cluster.histories.flatMap((history) => history.states).filter((states) => Object.values(states).includes('suspect'))
  t.diagnostic(`${percent} % loss for ${ms} ms: ${suspected.length} tables with a suspect, nobody down`)
  await finish(t, cluster)
}

test('networks that fail', { concurrency: true, skip }, async (t) => {
  await Promise.all([
    t.test('at 5 % loss nobody is called down', lossy(5, 30_000)),
    t.test('at 20 % loss nobody is called down', lossy(20, 30_000)),

    t.test('one direction between two hosts: the others vouch for both; a ring: no host stops', async (t) => {
      const cluster = await open(t)
      const [ada, bob] = cluster.hosts
      await cluster.net.cutOneWay(ada, bob)
      await sleep(25_000)
      await merge(t, cluster, 'one way')
      assertNobodyLost(cluster)
      const { hosts } = cluster
      for (let i = 0; i < 5; i++) await cluster.net.cut(hosts[i], hosts[(i + 2) % 5]) // neighbours only
      await sleep(20_000)
      t.diagnostic(`ring: ada says ${JSON.stringify(await cluster.states(ada))}`)
      await merge(t, cluster, 'ring')
      await finish(t, cluster)
    }),

    t.test('the power cord of one host: it is told down, nobody else is accused, and it comes back', async (t) => {
      const cluster = await open(t)
      const [eve, ...others] = [...cluster.hosts].reverse()
      const from = performance.now()
      await cluster.net.isolate(eve)
      await Promise.all(others.map(async (host) => {
        await cluster.until(host, { eve: 'down' })
        t.diagnostic(`${host.name} called eve down after ${since(from)} ms`)
      }))
      await cluster.until(eve, all(GONE, others))
      for (const history of cluster.histories.slice(0, 4))
        for (const { name } of others) assert.deepEqual(history.of(name).filter((state) => GONE.includes(state)), [])
      await merge(t, cluster, 'one of five')
      await finish(t, cluster)
    }),

    t.test('two of five cut off: both sides go on, and merge', async (t) => {
      const cluster = await open(t)
      const [few, many] = [cluster.hosts.slice(0, 2), cluster.hosts.slice(2)]
      await cluster.net.split(few, many)
      await Promise.all([
        ...few.map((host) => cluster.until(host, { ...all('up', few), ...all(GONE, many) })),
        ...many.map((host) => cluster.until(host, { ...all('up', many), ...all(GONE, few) })),
      ])
      await merge(t, cluster, 'two of five')
      await finish(t, cluster)
    }),

    t.test('a host that comes and goes every three seconds is never called down', async (t) => {
      const cluster = await open(t)
      for (let i = 0; i < 4; i++) {
        await cluster.net.isolate(cluster.hosts[4])
        await sleep(3000)
        await cluster.net.heal()
        await sleep(3000)
      }
      await merge(t, cluster, 'flapping')
      assertNobodyLost(cluster)
      await finish(t, cluster)
    }),
  ])
})
