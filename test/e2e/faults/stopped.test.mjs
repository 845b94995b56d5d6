// SIGSTOP and SIGCONT, of nodes and of the agent, under calls and publications that have no pause.
import assert from 'node:assert/strict'
import { figure } from '../hosts/figure.mjs'
import { ask, Sandbox, test } from '../lasts/sandbox.mjs'

async function openUnderLoad(t) {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.ok(['run', '-d', 'server.js', '-i', '2'])
  const servers = await box.probes.take(2)
  await box.ok(['run', '-d', 'caller.js'])
  const caller = await box.probes.next()
  await ask(caller, 'go')
  while ((await ask(caller, 'report')).calls < 500);
  return { box, agent, servers, caller }
}

async function expectNothingLost(t, { box, servers, caller }) {
  const report = await ask(caller, 'stop')
  assert.deepEqual([report.errors, report.wrong, report.lost], [[], 0, 0])
  for (const server of servers) {
    let counted = await ask(server, 'report')
    while (counted.received < report.published) counted = await ask(server, 'report')
    assert.deepEqual([counted.received, counted.disorder, counted.downs], [report.published, [], 0])
  }
  assert.deepEqual((await box.nodes()).map((node) => [node.state, node.restarts]), Array(3).fill(['up', 0]))
  figure(t, 'calls, all answered', report.calls, '')
  figure(t, 'publications, all read by both', report.published, '')
}

async function stopUntilStalled(t, { agent }, pid, name) {
  const from = agent.output.length
  process.kill(pid, 'SIGSTOP')
  const began = performance.now()
  await agent.until(new RegExp(`${name} is stalled: its process is stopped`), from)
  figure(t, `${name} is stalled after`, performance.now() - began, 'ms')
  process.kill(pid, 'SIGCONT')
  await agent.until(new RegExp(`${name} turns again`), from)
}

test('a server that is stopped until it is called stalled: all calls are answered, nothing is lost', async (t) => {
  const all = await openUnderLoad(t)
  const [first] = await all.box.nodes()
  await stopUntilStalled(t, all, first.pid, first.name)
  await expectNothingLost(t, all)
})

test('the one who calls is stopped: all its calls are answered, nothing is lost', async (t) => {
  const all = await openUnderLoad(t)
  await stopUntilStalled(t, all, all.caller.pid, 'caller.0')
  await expectNothingLost(t, all)
})

test('the agent is stopped, again and again: nodes go on, nobody is called down or stalled', async (t) => {
  const all = await openUnderLoad(t)
  const { box, agent, caller } = all
  for (let i = 0; i < 5; i++) {
    process.kill(agent.pid, 'SIGSTOP')
    const { calls } = await ask(caller, 'report')
    while ((await ask(caller, 'report')).calls < calls + 20_000);
    process.kill(agent.pid, 'SIGCONT')
    await box.nodes() // it has turned
  }
  assert.doesNotMatch(agent.output, /stalled|ended|crashed/)
  await expectNothingLost(t, all)
})
