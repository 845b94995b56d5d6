// Strangers at the public port of a host, and many members at once: whatever the first do, members come through, nobody is
// suspected, nobody is answered.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { Cluster } from './cluster.mjs'
import { figure, isWhole } from './figure.mjs'
import { isSanitized } from './net.mjs'
import { putInFront } from './proxy.mjs'

export const program = (name) => path.join(process.env.WARREN_TEST, `warren-${name}`)
const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
const ticksOf = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0)
const LATE_MS = 240_000 // a thousand handshakes, on a machine that is busy
const lastOf = (proc) => JSON.parse(proc.text('stdout').trimEnd().split('\n').at(-1))
const seconds = (count) => new RegExp(`(\n[^]*){${count}}`) // of a stranger, which says a line in each

const serve = (mesh) => mesh.serve('here', { hello: () => 'hello' }).then(() => true)
// Runs in a member that was just made: its first call makes a link through the port.
const firstCall = async (mesh) => {
  const [peer] = await mesh.available('here', { timeout: 20_000 })
  const from = performance.now()
  await mesh.client('here').hello(undefined, { to: peer, timeout: 30_000 })
  return performance.now() - from
}

const restart = async (cluster, host) => {
  host.agentProcess.kill('SIGTERM')
  await host.agentProcess.ended
  const from = performance.now()
  host.agentProcess = await host.agent()
  await cluster.sees(host, cluster.hosts)
  return performance.now() - from
}

// How long members from `from` take to come in at the agent of `at`, who forms the cluster.
const comeIn = async (from, at, how, count) => {
  const crowd = from.start(program('crowd'), [how, at.state, at.address, String(count)])
  await crowd.until(/ready\n/)
  crowd.stdin.write('begin\n')
  const [line] = await crowd.until(/\{.*\}/, 0, LATE_MS)
  crowd.end()
  return JSON.parse(line)
}

// `args`: what the stranger does, and how much of it.
const besiege = async (t, cluster, eve, args) => {
  const [ada, bob] = cluster.hosts
  const histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  const server = await cluster.member(ada, 'server')
  await server.run(serve)
  await comeIn(bob, ada, 'one-by-one', 10) // what it keeps of members is no cost of strangers
  const pid = ada.agentPid(), rss = rssOf(pid)
  const [kind, ...rest] = args
  const stranger = eve.start(program('stranger'), [kind, ada.address, ...rest])
  await stranger.until(/"made":[1-9][0-9]{2}[^]*\n[^]*\n/) // at work, and for a second more
  const ticks = ticksOf(pid), began = performance.now(), before = lastOf(stranger).made
  await stranger.until(seconds(isWhole ? 12 : 7))
  const lasted = (performance.now() - began) / 1000
  figure(t, 'CPU of the agent', (ticksOf(pid) - ticks) / lasted, '% of a core')
  figure(t, 'made a second', (lastOf(stranger).made - before) / lasted, kind === 'datagrams' ? 'datagrams' : 'connections')
  const legit = await comeIn(bob, ada, 'one-by-one', isWhole ? 300 : 100)
  figure(t, 'a member connects, p50', legit.p50_ms, 'ms')
  figure(t, 'a member connects, p99', legit.p99_ms, 'ms')
  const newcomer = await cluster.member(bob, 'newcomer')
  figure(t, 'first call of a new node', await newcomer.run(firstCall), 'ms')
  // A host comes in, too: its agent's link is made through the same door.
  await newcomer.kill()
  const back = await restart(cluster, bob)
  figure(t, 'an agent was back after', back, 'ms')
  const growth = rssOf(pid) - rss
  figure(t, 'more memory of the agent', growth, 'KiB')
  figure(t, 'bytes of answer', lastOf(stranger).heard, 'bytes')
  stranger.end()
  assert.equal(lastOf(stranger).heard, 0)
  assert.ok(Math.max(legit.worst_ms, back) < 10_000)
  assert.ok(growth < (isSanitized ? 512 : 16) << 10)
  for (const history of histories) {
    history.mustHaveStayed('ada')
    history.mustHaveStayed('cyd')
  }
  const log = ada.agentProcess.text('stderr').split('\n').length
  assert.ok(log < 100, `${log} lines in the log`)
}

const open = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [eve] = await cluster.net.add(t, ['eve'])
  return { cluster, eve }
}

export const besieged = (...args) => async (t) => {
  const { cluster, eve } = await open(t)
  await besiege(t, cluster, eve, args)
}

// First messages that a member said to this host, said again.
export const staleKnocks = async (t) => {
  const { cluster, eve } = await open(t), [ada, bob] = cluster.hosts
  const proxy = await putInFront(t, ada)
  await proxy.run((it) => it.set({ isKept: true }))
  await restart(cluster, bob)
  const knock = await proxy.run(async (it) => (await it.firstBytes(90)).toString('hex'))
  await ada.nft('delete table ip proxy') // who comes now comes directly
  await besiege(t, cluster, eve, ['knocks', '10000', knock])
}

export const manyAtOnce = async (t) => {
  const { cluster } = await open(t), [ada, bob, cyd] = cluster.hosts
  const history = await cluster.history(cyd)
  const crowd = bob.start(program('crowd'), ['together', ada.state, ada.address, '1000'])
  await crowd.until(/ready\n/)
  for (const why of ['came', 'came again after the agent was killed']) {
    const from = crowd.text('stdout').length
    crowd.stdin.write('begin\n')
    const legit = comeIn(cyd, ada, 'one-by-one', 20)
    const [line] = await crowd.until(/\{.*\}/, from, LATE_MS)
    const { p50_ms, all_ms } = JSON.parse(line)
    figure(t, `${why}: half of 1,000 after`, p50_ms, 'ms')
    figure(t, `${why}: all after`, all_ms, 'ms')
    figure(t, `${why}: another member meanwhile at most`, (await legit).worst_ms, 'ms')
    if (why !== 'came') break
    ada.agentProcess.kill('SIGKILL')
    await ada.agentProcess.ended
    ada.agentProcess = await ada.agent()
  }
  history.mustHaveStayed('bob')
}
