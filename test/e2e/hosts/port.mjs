// Strangers at the public port of a host: whatever they do, members come through, nobody is suspected, nobody is answered.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Cluster } from './cluster.mjs'
import { figure } from './figure.mjs'

const program = fileURLToPath(new URL('stranger.mjs', import.meta.url))
const NEWCOMERS = 5
const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
const ticksOf = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0)
const lastOf = (proc) => JSON.parse(proc.text('stdout').trimEnd().split('\n').at(-1))

const serve = (mesh) => mesh.serve('here', { hello: () => 'hello' }).then(() => true)
// Runs in a member that was just made: its first call makes a link through the port.
const firstCall = async (mesh) => {
  const [peer] = await mesh.available('here', { timeout: 20_000 })
  const from = performance.now()
  await mesh.client('here').hello(undefined, { to: peer, timeout: 30_000 })
  return Math.round(performance.now() - from)
}

export const besieged = (kind) => async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd']), [ada, bob] = cluster.hosts
  const [eve] = await cluster.net.add(t, ['eve'])
  const histories = await Promise.all(cluster.hosts.map((host) => cluster.history(host)))
  const server = await cluster.member(ada, 'server')
  await server.run(serve)
  const pid = ada.agentPid(), rss = rssOf(pid), ticks = ticksOf(pid), began = performance.now()
  const stranger = eve.start(process.env.WARREN_NODE, [program, kind, ada.address])
  await stranger.until(/"made":[1-9][0-9]{2}[^]*\n[^]*\n/) // at work, and for a second more
  const times = []
  for (let i = 0; i < NEWCOMERS; i++) {
    const newcomer = await cluster.member(bob, `newcomer-${i}`)
    times.push(await newcomer.run(firstCall))
    await newcomer.kill()
  }
  // A host comes in, too: its agent's link is made through the same door.
  bob.agentProcess.kill('SIGTERM')
  await bob.agentProcess.ended
  const from = performance.now()
  bob.agentProcess = await bob.agent()
  await cluster.sees(bob, cluster.hosts)
  const back = Math.round(performance.now() - from)
  await stranger.until(/(\n[^]*){8}/) // for some seconds
  const cpu = Math.round((ticksOf(pid) - ticks) / (performance.now() - began) * 1000)
  const growth = rssOf(pid) - rss, counts = lastOf(stranger)
  t.diagnostic(`${kind}: ${JSON.stringify(counts)}; first calls of newcomers took ${times} ms, an agent was back after ${back} ms; the agent used ${cpu} % of a core and ${growth} KiB more`)
  assert.equal(counts.heard, 0)
  assert.ok(Math.max(...times, back) < 10_000)
  assert.ok(growth < 16 << 10)
  for (const history of histories) {
    assert.deepEqual(history.of('ada').filter((state) => state !== 'up'), [])
    assert.deepEqual(history.of('cyd').filter((state) => state !== 'up'), [])
  }
  const log = ada.agentProcess.text('stderr').split('\n').length
  assert.ok(log < 100, `${log} lines in the log`)
}
