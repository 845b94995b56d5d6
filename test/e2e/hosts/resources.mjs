// A host that runs out of something, or whose clock is wrong: it says so, the others do not suffer, and it recovers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Cluster } from './cluster.mjs'
import { figure, isWhole } from './figure.mjs'
import { Load, LONG_MS } from './load.mjs'
import { isSanitized } from './net.mjs'
import { program } from './port.mjs'

const run = promisify(execFile)
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'
export const skipPreload = isSanitized && 'nothing can be loaded before ASan'
export const skipClock = (!fs.existsSync(FAKETIME) && 'libfaketime is not installed') || (isSanitized && 'libfaketime cannot come before ASan')

const serve = (mesh, keep, name) => mesh.serve(name, { hello: () => mesh.self.host }).then(() => true)
const call = async (mesh, keep, name) => {
  await mesh.available(name, { timeout: 20_000 })
  return mesh.client(name).hello(undefined, { timeout: 20_000 })
}

const restart = async (host, env) => {
  host.agentProcess.kill('SIGTERM')
  await host.agentProcess.ended
  host.agentProcess = await host.agent({ env })
}
const clock = (offset) => ({ LD_PRELOAD: FAKETIME, FAKETIME: offset, DONT_FAKE_MONOTONIC: '1' })

export const wrongClock = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd']), [ada, bob, cyd] = cluster.hosts
  const histories = await Promise.all([ada, cyd].map((host) => cluster.history(host)))
  const here = await cluster.member(ada, 'here')
  await here.run(serve, 'here')
  const others = () => histories.flatMap((history) => [...history.of('ada'), ...history.of('cyd')])
  // An hour ahead its certificates are good still. An hour back, or after their time, they are not: it says so and stays out.
  await restart(bob, clock('+1h'))
  await cluster.sees(bob, cluster.hosts)
  for (const offset of ['-1h', '+8d']) {
    await restart(bob, clock(offset))
    const [sentence] = await bob.agentProcess.until(/takes no part in its cluster: .*look at the clock/)
    t.diagnostic(`a clock ${offset} off: ${sentence}`)
    assert.match((await bob.done(['hosts'])).stderr, /takes no part in its cluster: the certificate/)
    assert.ok(others().every((state) => state === 'up'), others().join())
  }
  await restart(bob, {})
  await Promise.all(cluster.hosts.map((host) => cluster.sees(host, cluster.hosts)))
  const there = await cluster.member(bob, 'there')
  await there.run(serve, 'there')
  assert.equal(await here.run(call, 'there'), 'bob')
  assert.equal(await there.run(call, 'here'), 'ada')
}

// Its state directory is a small file system that is filled to the last byte.
export const fullDisk = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob']), [ada] = cluster.hosts
  const [dan] = await cluster.net.add(t, ['dan'])
  fs.mkdirSync(dan.state, { mode: 0o700 })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', dan.state])
  } catch {
    return t.skip('nothing can be mounted here')
  }
  try {
    await cluster.join(dan)
    await cluster.sees(ada, [dan])
    const histories = await Promise.all([ada, dan].map((host) => cluster.history(host)))
    const fill = (name) => assert.throws(() => fs.writeFileSync(path.join(dan.state, name), Buffer.alloc(4 << 20)), { code: 'ENOSPC' })
    fill('filler')
    // The agent goes on: nodes join and are called, other hosts come and go.
    const there = await cluster.member(dan, 'there'), here = await cluster.member(ada, 'here')
    await there.run(serve, 'there')
    assert.equal(await here.run(call, 'there'), 'dan')
    await restart(cluster.hosts[1])
    await cluster.sees(dan, cluster.hosts)
    for (const history of histories) history.mustHaveStayed('dan')
    // A start needs a generation that is on the disk: without room the host stays out of its cluster, and says why.
    dan.agentProcess.kill('SIGTERM')
    await dan.agentProcess.ended
    fill('what-it-gave-back')
    dan.agentProcess = await dan.agent()
    const [sentence] = await dan.agentProcess.until(/takes no part in its cluster: .*No space left on device/)
    t.diagnostic(`a full disk: ${sentence}`)
    assert.equal((await cluster.states(ada)).dan, 'left')
    for (const name of ['filler', 'what-it-gave-back']) fs.rmSync(path.join(dan.state, name))
    dan.agentProcess.kill('SIGTERM')
    await dan.agentProcess.ended
    dan.agentProcess = await dan.agent()
    await cluster.sees(ada, [...cluster.hosts, dan])
  } finally {
    await run('umount', ['-l', dan.state])
  }
}

// Its agent has no descriptor left: what there is lives on, and who comes waits in the kernel's queue.
export const noDescriptors = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd']), [ada, bob] = cluster.hosts
  const [eve] = await cluster.net.add(t, ['eve'])
  const histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  const there = await cluster.member(ada, 'there'), here = await cluster.member(bob, 'here')
  await there.run(serve, 'there')
  assert.equal(await here.run(call, 'there'), 'ada')
  const pid = ada.agentPid(), open = fs.readdirSync(`/proc/${pid}/fd`).length
  await run('prlimit', ['--pid', String(pid), `--nofile=${open}:`])
  const crowd = eve.start(program('stranger'), ['silent', ada.address, '1000'])
  await crowd.until(/(\n[^]*){4}/)
  assert.equal(await here.run(call, 'there'), 'ada')
  await crowd.until(/(\n[^]*){12}/)
  for (const history of histories) history.mustHaveStayed('ada')
  await run('prlimit', ['--pid', String(pid), '--nofile=1024:'])
  const from = performance.now()
  const late = await cluster.member(bob, 'late')
  assert.equal(await late.run(call, 'there'), 'ada')
  const lines = ada.agentProcess.text('stderr').split('\n').length
  figure(t, 'a newcomer came in after', performance.now() - from, 'ms')
  figure(t, 'its log', lines, 'lines')
  assert.ok(lines < 100)
}

// The clock of all that runs on this host from now on: as it is, until setClock() moves it by so much: '+5d'.
const setClock = (host, offset) => {
  const file = path.join(host.dir, 'clock')
  fs.writeFileSync(`${file}.new`, `${offset}\n`)
  fs.renameSync(`${file}.new`, file)
}
const withClock = async (host) => {
  setClock(host, '+0')
  Object.assign(host.env, { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: path.join(host.dir, 'clock'), FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1' })
  await restart(host)
}

// The clocks of all agents and nodes jump twenty times a second, each on its own.
export const strobingClocks = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd']), { hosts } = cluster
  const set = (host, minutes) => setClock(host, `${minutes < 0 ? '' : '+'}${minutes}m`)
  for (const host of hosts) await withClock(host)
  await Promise.all(hosts.map((host) => cluster.sees(host, hosts)))
  const histories = await Promise.all(hosts.map((host) => cluster.history(host)))
  const load = await Load.open(cluster, LONG_MS)
  // Within the five minutes that certificates allow, then far beyond: links that are there do not care.
  for (const most of [4, 60])
    for (const until = performance.now() + (isWhole ? 20_000 : 6000); performance.now() < until; await sleep(50))
      for (const host of hosts) set(host, Math.round((Math.random() * 2 - 1) * most))
  for (const host of hosts) set(host, 0)
  for (const history of histories)
    for (const { name } of hosts) history.mustHaveStayed(name)
  for (const [outcome, count] of Object.entries(await load.end())) {
    figure(t, outcome, count, 'calls')
    assert.equal(outcome, 'answered')
  }
}

const LOOK_MS = 60_000 // so often an agent looks at its certificate

// Certificates of hosts are good for seven days, of nodes for one. Days pass at once, while calls go on: agents renew theirs,
// and nobody notices. Who was off, or cut off, until its own was over does not come in; it says so, and what brings it back.
export const renewal = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd', 'off', 'cut']), all = cluster.hosts, [ada, bob, , off, cut] = all
  const hosts = (cluster.hosts = all.slice(0, 3))
  for (const host of all) await withClock(host)
  await Promise.all(all.map((host) => cluster.sees(host, all)))
  off.agentProcess.kill('SIGTERM')
  await off.agentProcess.ended
  await cluster.net.isolate(cut)
  const histories = await Promise.all(hosts.map((host) => cluster.history(host)))
  const load = await Load.open(cluster, LONG_MS)
  await load.linked() // a handshake between clocks that are days apart would fail, as it must
  const renewed = Promise.all(hosts.map((host) => host.agentProcess.until(/the certificate of this host is a new one/, 0, 2 * LOOK_MS)))
  for (const host of all) setClock(host, '+5d')
  const from = performance.now()
  await renewed
  figure(t, 'all certificates were renewed after', performance.now() - from, 'ms')
  // Those of before are over now; so are those of nodes, whose links need none any more.
  for (const host of all) setClock(host, '+8d')
  const there = await cluster.member(bob, 'there'), here = await cluster.member(ada, 'here')
  await there.run(serve, 'there')
  assert.equal(await here.run(call, 'there'), 'bob')
  await cluster.net.heal()
  off.agentProcess = await off.agent()
  await off.agentProcess.until(/takes no part in its cluster: the certificate of this host is valid .*`warren leave`, and join again with a new token/)
  await cut.agentProcess.until(/the certificate of this host is valid .*`warren leave`, and join again with a new token/, 0, 2 * LOOK_MS)
  for (const host of [off, cut]) {
    assert.match((await host.done(['doctor'])).stdout, /problem +certificate +has expired, or the clock is wrong: `warren leave`, and `warren join` with a new token/)
    await cluster.done(host, 'leave')
    host.agentProcess.end()
    await host.agentProcess.ended
    host.name += '-again' // the others remember for a day that the host of before is gone
    await cluster.join(host)
  }
  await Promise.all(all.map((host) => cluster.sees(host, all)))
  for (const history of histories)
    for (const { name } of hosts) history.mustHaveStayed(name)
  for (const [outcome, count] of Object.entries(await load.end())) {
    figure(t, outcome, count, 'calls')
    assert.equal(outcome, 'answered')
  }
}

// Everything that would change its state directory fails: EIO of a broken disk, EROFS of one that the kernel has given up.
export const brokenDisk = (code, sentence) => async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'dan']), [ada, bob, dan] = cluster.hosts
  const control = path.join(dan.dir, 'disk-error')
  const env = { LD_PRELOAD: program('badfs').replace('warren-badfs', 'badfs.so'), BADFS_DIR: dan.state, BADFS_ERROR: control }
  await restart(dan, env)
  await cluster.sees(ada, cluster.hosts)
  const histories = await Promise.all([ada, dan].map((host) => cluster.history(host)))
  fs.writeFileSync(control, String(code))
  // The agent goes on: nodes join and are called, other hosts come and go.
  const there = await cluster.member(dan, 'there'), here = await cluster.member(ada, 'here')
  await there.run(serve, 'there')
  assert.equal(await here.run(call, 'there'), 'dan')
  await restart(bob)
  await cluster.sees(dan, cluster.hosts)
  for (const history of histories) history.mustHaveStayed('dan')
  // A start needs a generation that is on the disk: it says why there is none, and takes no part.
  dan.agentProcess.kill('SIGTERM')
  await dan.agentProcess.ended
  dan.agentProcess = dan.warren(['agent'], { env })
  const [said] = await dan.agentProcess.until(new RegExp(`^.*${sentence}.*$`, 'm'))
  t.diagnostic(said)
  assert.equal((await cluster.states(ada)).dan, 'left')
  dan.agentProcess.end()
  await dan.agentProcess.ended
  fs.rmSync(control)
  dan.agentProcess = await dan.agent({ env })
  await cluster.sees(ada, cluster.hosts)
}

const CGROUP = '/sys/fs/cgroup/memory' // version 1, as here; where version 2 has the controller: another place, other names
export const skipCgroup = (isSanitized && 'ASan keeps what was freed') || (!fs.existsSync(path.join(CGROUP, 'memory.limit_in_bytes')) && 'there is no memory controller of cgroup version 1')

// What nodes, members and strangers can make an agent keep fits a limit; the kernel never has to end it.
export const littleMemory = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob']), [ada, bob] = cluster.hosts
  const [eve] = await cluster.net.add(t, ['eve'])
  const history = await cluster.history(bob)
  const group = path.join(CGROUP, `warren${process.pid}`), pid = ada.agentPid()
  const read = (name) => fs.readFileSync(path.join(group, name), 'utf8')
  fs.mkdirSync(group)
  t.after(() => fs.rmdirSync(group))
  fs.writeFileSync(path.join(group, 'memory.limit_in_bytes'), String(64 << 20))
  fs.writeFileSync(path.join(group, 'cgroup.procs'), String(pid))
  eve.start(program('stranger'), ['garbage', ada.address, '5000'])
  const crowd = bob.start(program('crowd'), ['together', ada.state, ada.address, '1000'])
  crowd.stdin.write('begin\n')
  // As much in the registry as it takes, with names as long as they may be.
  const greedy = await Promise.all([0, 1, 2, 3].map((n) => cluster.member(n % 2 ? bob : ada, `greedy-${n}`)))
  const kept = await Promise.all(greedy.map((member) => member.run(async (mesh) => {
    for (let n = 0; n < 5000; n += 100) {
      const some = await Promise.allSettled(Array.from({ length: 100 }, async (_, i) => mesh.subscribe(`${mesh.self.name}.${n + i}.${'x'.repeat(230)}`).ready))
      const taken = some.filter(({ status }) => status === 'fulfilled').length
      if (taken < 100) return { n: n + taken }
    }
    return { n: 5000 }
  })))
  await crowd.until(/\{.*\}/)
  figure(t, 'subscriptions of four nodes', kept.reduce((sum, { n }) => sum + n, 0), 'subscriptions')
  figure(t, 'most memory of its agent, of 64 MiB', Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024, 'MiB')
  assert.match(read('memory.oom_control'), /oom_kill 0/)
  assert.equal(ada.agentPid(), pid)
  assert.ok(!ada.agentProcess.isOver)
  history.mustHaveStayed('ada')
  const there = await cluster.member(ada, 'there'), here = await cluster.member(bob, 'here')
  await there.run(serve, 'there')
  assert.equal(await here.run(call, 'there'), 'ada')
  ada.agentProcess.end()
  await ada.agentProcess.ended
}
