// What hosts that belong to the cluster do to it: one that lies, and all of them started again one after the other.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { figure, isWhole } from './figure.mjs'
import { Load, LONG_MS } from './load.mjs'
import { program } from './port.mjs'

const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve']

const stop = async (host) => {
  host.agentProcess.kill('SIGTERM')
  await host.agentProcess.ended
}

// Its keys are good, so all that it says is heard; what is not its own to say must not be believed.
export const liar = async (t) => {
  const cluster = await Cluster.open(t, NAMES), { hosts } = cluster
  const honest = hosts.slice(0, 4), [ada, bob, cyd, dan] = honest, eve = hosts[4]
  await stop(eve)
  const load = await Load.open({ hosts: honest, member: (...args) => cluster.member(...args) }, LONG_MS)
  const histories = await Promise.all(honest.map((host) => cluster.history(host)))
  const agents = honest.map((host) => host.agentPid())
  const liar = eve.start(program('liar'), [eve.state])
  await liar.until(/"told":[1-9]/)
  await sleep(isWhole ? 60_000 : 15_000) // nothing is waited for: nothing shall happen
  for (const history of histories)
    for (const { name } of honest) history.mustHaveStayed(name)
  for (const [outcome, count] of Object.entries(await load.end())) {
    figure(t, outcome, count, 'calls')
    if (outcome !== 'answered') assert.equal(count, 0)
  }
  assert.deepEqual(honest.map((host) => host.agentPid()), agents)
  // What was once true is said again: who has left stays so, and comes back when it likes.
  await stop(dan)
  await Promise.all([ada, bob, cyd].map((host) => cluster.until(host, { dan: 'left' })))
  const from = histories.map((history) => history.states.length)
  await sleep(5000)
  for (const [i, history] of histories.slice(0, 3).entries())
    for (const states of history.states.slice(from[i])) assert.equal(states.dan, 'left')
  dan.agentProcess = await dan.agent()
  await Promise.all(honest.map((host) => cluster.sees(host, honest)))
  figure(t, 'told', JSON.parse(liar.text('stdout').trimEnd().split('\n').at(-1)).told, 'lies')
  const suspected = histories.flatMap((history) => history.states).filter((states) => honest.some(({ name }) => states[name] === 'suspect'))
  figure(t, 'tables with an honest suspect', suspected.length, 'tables')
}

// Each host in turn: its nodes leave in good order, its agent and then its nodes start again from a build of one minor more,
// and at last from the old one. The others hear a moment later who serves no more: a call meanwhile is told as not
// delivered, and may be made again.
export const rollingUpgrade = async (t) => {
  const cluster = await Cluster.open(t, NAMES.slice(0, 3)), { hosts } = cluster
  const load = await Load.open(cluster, LONG_MS)
  const histories = await Promise.all(hosts.map((host) => cluster.history(host)))
  for (const minors of ['1-2', '1-1'])
    for (const host of hosts)
      await load.replace(cluster, host, async () => {
        await stop(host)
        host.becomes(minors)
        host.agentProcess = await host.agent()
        await Promise.all(hosts.map((other) => cluster.sees(other, hosts)))
      })
  const said = histories.flatMap((history) => hosts.flatMap(({ name }) => history.of(name)))
  assert.deepEqual(said.filter((state) => ['down', 'unreachable'].includes(state)), [])
  for (const [outcome, count] of Object.entries(await load.end())) {
    figure(t, outcome, count, 'calls')
    assert.match(outcome, /^(answered|not delivered)/)
  }
}

// Builds with a minor in common are one cluster. One without is no member, or no more: both ends say so, and the others go on.
export const strangeMinors = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob']), { hosts } = cluster, [ada, bob] = hosts
  const [cyd, dan] = await cluster.net.add(t, ['cyd', 'dan'])
  cyd.becomes('1-2')
  await cluster.join(cyd)
  hosts.push(cyd)
  const load = await Load.open({ hosts: [ada, cyd], member: (...args) => cluster.member(...args) }, LONG_MS)
  dan.becomes('2-2')
  const refused = await dan.done(['join', await cluster.token(), '--name', 'dan', '--advertise', `${dan.address}:7400`])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /not joined: .*no common version of the protocol: run the same release of Warren on both/)
  await stop(bob)
  bob.becomes('2-2')
  bob.agentProcess = await bob.agent()
  await bob.agentProcess.until(/host ada speaks the minors 1 to 1 of the protocol and this host 2 to 2/)
  await ada.agentProcess.until(/host bob speaks the minors 2 to 2 of the protocol and this host 1 to 1/)
  const doctor = await bob.done(['doctor'])
  assert.equal(doctor.code, 1)
  assert.match(doctor.stdout, /problem +release +ada speaks no version of the protocol that this host speaks/)
  assert.doesNotMatch(doctor.stdout, /cyd speaks no version/)
  assert.match((await ada.done(['hosts'])).stdout, /bob +up, another release/)
  bob.becomes('1-2')
  await stop(bob)
  bob.agentProcess = await bob.agent()
  await Promise.all(hosts.map((host) => cluster.sees(host, hosts)))
  assert.doesNotMatch((await ada.done(['hosts'])).stdout, /another release/)
  for (const [outcome, count] of Object.entries(await load.end())) {
    figure(t, outcome, count, 'calls')
    assert.equal(outcome, 'answered')
  }
}

// A copied state directory that runs elsewhere is the same host, twice. The copy was started later, so it goes on; the
// original hears what the copy says of itself, and says so wherever one looks for it.
export const copied = async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd']), { hosts } = cluster, [ada, bob, cyd] = hosts
  const [copy] = await cluster.net.add(t, ['copy'])
  const histories = await Promise.all([ada, cyd].map((host) => cluster.history(host)))
  fs.cpSync(path.join(bob.state, 'cluster'), path.join(copy.state, 'cluster'), { recursive: true })
  fs.chmodSync(copy.state, 0o700)
  const config = path.join(copy.state, 'cluster', 'config.json')
  fs.writeFileSync(config, fs.readFileSync(config, 'utf8').replaceAll(bob.address, copy.address))
  const from = performance.now()
  copy.agentProcess = await copy.agent()
  const [sentence] = await bob.agentProcess.until(/takes no part in its cluster any more: another machine .*/)
  figure(t, 'the original knew, from the start of the copy, after', performance.now() - from, 'ms')
  t.diagnostic(sentence)
  assert.match((await bob.done(['hosts'])).stderr, /another machine is in the cluster with the keys of this host/)
  const doctor = await bob.done(['doctor'])
  assert.equal(doctor.code, 1)
  assert.match(doctor.stdout, /problem +hosts +.*another machine is in the cluster with the keys of this host/)
  await Promise.all([ada, cyd, copy].map((host) => cluster.sees(host, hosts)))
  for (const history of histories)
    for (const { name } of hosts) history.mustHaveStayed(name)
}
