// What hosts that belong to the cluster do to it: one that lies, and all of them started again one after the other.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.mjs'
import { figure, isWhole } from './figure.mjs'
import { Load } from './load.mjs'
import { program } from './port.mjs'

const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve']
const GONE = ['down', 'unreachable', 'left']

const stop = async (host) => {
  host.agentProcess.kill('SIGTERM')
  await host.agentProcess.ended
}

// Its keys are good, so all that it says is heard; what is not its own to say must not be believed.
export const liar = async (t) => {
  const cluster = await Cluster.open(t, NAMES), { hosts } = cluster
  const honest = hosts.slice(0, 4), [ada, bob, cyd, dan] = honest, eve = hosts[4]
  await stop(eve)
  const load = await Load.open({ hosts: honest, member: (...args) => cluster.member(...args) })
  const histories = await Promise.all(honest.map((host) => cluster.history(host)))
  const agents = honest.map((host) => host.agentPid())
  const liar = eve.start(program('liar'), [eve.state])
  await liar.until(/"told":[1-9]/)
  await sleep(isWhole ? 60_000 : 15_000) // nothing is waited for: nothing shall happen
  for (const history of histories)
    for (const { name } of honest) assert.ok(!history.of(name).some((state) => GONE.includes(state)), `${name} was ${history.of(name)}`)
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

// Each host in turn: its nodes leave in good order, its agent is started again, nodes come. The others hear a moment later who
// serves no more: a call meanwhile is told as not delivered, and may be made again.
export const rollingRestart = async (t) => {
  const cluster = await Cluster.open(t, NAMES), { hosts } = cluster
  const load = await Load.open(cluster)
  const histories = await Promise.all(hosts.map((host) => cluster.history(host)))
  for (const host of hosts)
    await load.replace(cluster, host, async () => {
      await stop(host)
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
