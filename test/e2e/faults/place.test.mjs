// The state directory, or sockets in it, are removed while the agent runs.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { figure } from '../hosts/figure.mjs'
import { ask, Sandbox, test } from '../lasts/sandbox.mjs'

async function openWithNodes(t) {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.ok(['run', '-d', 'server.js', '-i', '2'])
  const servers = await box.probes.take(2)
  await box.ok(['run', '-d', 'caller.js'])
  const caller = await box.probes.next()
  await ask(caller, 'go')
  while ((await ask(caller, 'report')).calls < 500);
  return { box, agent, servers, caller, nodes: await box.nodes() }
}

async function expectNothingLost({ servers, caller }) {
  const report = await ask(caller, 'stop')
  assert.deepEqual([report.errors, report.wrong, report.lost], [[], 0, 0])
  for (const server of servers) {
    let counted = await ask(server, 'report')
    while (counted.received < report.published) counted = await ask(server, 'report')
    assert.deepEqual([counted.received, counted.disorder, counted.downs], [report.published, [], 0])
  }
}

for (const [what, remove] of [['the whole state directory', (box) => fs.rmSync(box.state, { recursive: true })],
  ['the sockets', (box) => { for (const name of ['agent.sock', 'keeper.sock']) fs.rmSync(path.join(box.state, name)) }]])
  test(`${what} removed: nodes run on, commands and the next agent find them again`, async (t) => {
    const all = await openWithNodes(t)
    const { box, agent, nodes } = all
    remove(box)
    const began = performance.now()
    await agent.until(/agent\.sock was removed, and is there again/)
    figure(t, `${what} removed, there again after`, performance.now() - began, 'ms')
    await agent.until(/another keeper has what runs/)
    assert.deepEqual((await box.nodes()).map(({ pid, state }) => [pid, state]), nodes.map(({ pid }) => [pid, 'up']))
    const second = await box.done(['agent'])
    assert.equal(second.code, 1)
    assert.match(second.stderr, new RegExp(`an agent is running already in .* \\(pid ${agent.pid}\\)`))
    await box.ok(['agent', 'restart']) // lock and socket go to its successor
    await agent.until(/is there again(.*\n)+.* listens on/)
    await box.killAgent(agent)
    const { agent: next, nodes: adopted } = await box.adopt()
    assert.deepEqual(adopted.map(({ pid }) => pid), nodes.map(({ pid }) => pid))
    await expectNothingLost(all)
    await box.ok(['stop', '--all'])
    assert.doesNotMatch(next.output, /removed/)
  })

test('what nodes write after it is in a log again', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.ok(['run', '-d', 'teller.js'])
  const probe = await box.probes.next()
  await ask(probe, 'write 1')
  fs.rmSync(box.state, { recursive: true })
  await agent.until(/is there again/)
  await ask(probe, 'write 1')
  const follower = box.warren(['logs', '-f', '-n', '100', 'teller'])
  await follower.until(new RegExp(`line ${probe.pid} 1\n`))
})

test('an agent whose place another one has taken says so, and leaves it alone when it ends', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.ok(['run', '-d', 'teller.js'])
  const probe = await box.probes.next()
  process.kill(first.pid, 'SIGSTOP') // or it would be there again before the second one
  fs.rmSync(box.state, { recursive: true })
  const second = await box.agent()
  process.kill(first.pid, 'SIGCONT')
  await first.until(/the files of this agent \(pid \d+\) in .* were removed, and another agent has taken their place/)
  assert.deepEqual(await ask(probe, 'write 1'), { count: 1 })
  assert.deepEqual(await box.nodes(), [])
  first.kill('SIGTERM')
  await probe.gone
  await first.ended
  await box.ok(['run', '-d', 'teller.js'])
  await box.probes.next()
  assert.equal(second.isOver, undefined)
})
