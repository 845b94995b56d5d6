// Networks that lose packets or fall apart, five hosts, calls going on all the while. Times are printed, not judged but
// by generous bounds.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { figure, isWhole } from './figure.mjs'
import { Load } from './load.mjs'

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
  figure(t, `${what}: merged after`, since(from), 'ms')
  assert.ok(since(from) < MERGE_MS)
}

// Nobody but `except` was ever called gone by anybody.
const assertNobodyLost = (cluster, except = []) => {
  const others = cluster.hosts.filter((host) => !except.includes(host))
  for (const history of cluster.histories)
    for (const { name } of others) history.mustHaveStayed(name)
}

const finish = async (t, cluster) => {
  for (const [outcome, count] of Object.entries(await cluster.load.end())) figure(t, outcome, count, 'calls')
}

export const lossy = (percent) => async (t) => {
  const ms = isWhole ? 60_000 : 30_000
  const cluster = await open(t)
  await cluster.net.lose(percent)
  await sleep(ms) // nothing is waited for: nothing shall happen
  await merge(t, cluster, `${percent} % loss`)
  assertNobodyLost(cluster)
  const suspected = cluster.histories.flatMap((history) => history.states).filter((states) => Object.values(states).includes('suspect'))
  figure(t, `${ms / 1000} s at ${percent} % loss: tables with a suspect`, suspected.length, 'tables')
  await finish(t, cluster)
}

export const oneWayAndRing = async (t) => {
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
}

export const powerCord = async (t) => {
  const cluster = await open(t)
  const [eve, ...others] = [...cluster.hosts].reverse()
  const from = performance.now()
  await cluster.net.isolate(eve)
  await Promise.all(others.map(async (host) => {
    await cluster.until(host, { eve: 'down' })
    figure(t, `${host.name} called it down after`, since(from), 'ms')
  }))
  await cluster.until(eve, all(GONE, others))
  for (const history of cluster.histories.slice(0, 4))
    for (const { name } of others) history.mustHaveStayed(name)
  await merge(t, cluster, 'one of five')
  await finish(t, cluster)
}

export const twoOfFive = async (t) => {
  const cluster = await open(t)
  const [few, many] = [cluster.hosts.slice(0, 2), cluster.hosts.slice(2)]
  await cluster.net.split(few, many)
  await Promise.all([
    ...few.map((host) => cluster.until(host, { ...all('up', few), ...all(GONE, many) })),
    ...many.map((host) => cluster.until(host, { ...all('up', many), ...all(GONE, few) })),
  ])
  await merge(t, cluster, 'two of five')
  await finish(t, cluster)
}

export const flapping = async (t) => {
  const cluster = await open(t), eve = cluster.hosts[4]
  await eve.nft('add chain ip faults out { type filter hook output priority 0 ; }')
  for (let i = 0; i < 4; i++) {
    // In one command each: on a busy machine a rule for each of the others would take seconds.
    await eve.nft('add rule ip faults in iifname eth0 drop', 'add rule ip faults out oifname eth0 drop')
    await sleep(3000)
    await eve.nft('flush chain ip faults in', 'flush chain ip faults out')
    await sleep(3000)
  }
  await merge(t, cluster, 'flapping')
  assertNobodyLost(cluster)
  await finish(t, cluster)
}
