// kill -9 of the keeper, alone and with the agent.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { figure } from '../hosts/figure.mjs'
import { ask, Sandbox, test } from '../lasts/sandbox.mjs'
import { freePort } from '../ports.mjs'

const pids = (nodes) => nodes.map((node) => node.pid).sort()

// The process that holds this sandbox's keeper socket.
function keeperOf(box) {
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let words, environment
    try {
      words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      environment = fs.readFileSync(`/proc/${pid}/environ`, 'utf8')
    } catch {
      continue // it has ended, or is not ours
    }
    if (words.includes('--keeper') && environment.includes(`WARREN_DIR=${box.state}\0`)) return Number(pid)
  }
}

test('another keeper takes the place of one that was killed, and the next agent has all from it', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.ok(['run', '-d', '--restart', 'always', 'teller.js', '-i', '3', '--ready', 'listen', '--', await freePort()])
  const probes = await box.probes.take(3)
  process.kill(keeperOf(box), 'SIGKILL')
  const began = performance.now()
  await first.until(/the keeper is gone/)
  // What starts while there is none is kept as well.
  await box.ok(['run', '-d', 'teller.js', '--name', 'late'])
  probes.push(await box.probes.next())
  await first.until(/another keeper has what runs/)
  figure(t, 'another keeper after', performance.now() - began, 'ms')
  for (const probe of probes) assert.deepEqual(await ask(probe, 'write 1'), { count: 1 })
  await box.killAgent(first)
  for (const probe of probes) assert.deepEqual(await ask(probe, 'write 1'), { count: 2 })
  const { agent, nodes } = await box.adopt()
  assert.deepEqual(pids(nodes), probes.map((probe) => probe.pid).sort())
  assert.deepEqual(nodes.map((node) => [node.state, node.restarts]), Array(4).fill(['up', 0]))
  probes[0].socket.write('exit 3\n') // its zygote is known too: it tells how
  await agent.until(/teller\.\d crashed \(exit code 3\), restarting/)
  await box.probes.next()
})

test('with the agent and its keeper gone nodes end, also one that hears no signal', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.ok(['run', '-d', '--restart', 'always', 'teller.js', '-i', '2'])
  const probes = await box.probes.take(2)
  process.kill(probes[1].pid, 'SIGSTOP')
  const keeper = keeperOf(box)
  process.kill(agent.pid, 'SIGSTOP') // or it would start another one
  process.kill(keeper, 'SIGKILL')
  const began = performance.now()
  await box.killAtOnce(agent)
  await probes[0].gone
  figure(t, 'a node ends without agent and keeper after', performance.now() - began, 'ms')
  await probes[1].gone
  figure(t, 'one that is stopped after', performance.now() - began, 'ms')
  await box.agent()
  assert.deepEqual(await box.nodes(), [])
})
