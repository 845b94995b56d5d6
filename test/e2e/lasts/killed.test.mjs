// kill -9 of the agent.
import assert from 'node:assert/strict'
import http from 'node:http'
import path from 'node:path'
import { POKE } from '../agent/harness.mjs'
import { figure } from '../hosts/figure.mjs'
import { ask, Sandbox, test } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

const pids = (nodes) => nodes.map((node) => node.pid).sort()

test('nodes live on, the next agent adopts them, and has what they wrote meanwhile', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.ok(['run', '-d', '--restart', 'always', 'teller.js', '-i', '3'])
  const probes = await box.probes.take(3)
  await box.killAgent(first)
  // More than the agent ever reads at once, less than a pipe holds.
  for (const probe of probes) assert.deepEqual(await ask(probe, 'write 2000'), { count: 2000 })
  const { nodes, ms } = await box.adopt()
  figure(t, 'agent adopts 3 nodes after', ms, 'ms')
  assert.deepEqual(pids(nodes), probes.map((probe) => probe.pid).sort())
  assert.deepEqual(nodes.map((node) => [node.state, node.restarts]), Array(3).fill(['up', 0]))
  for (const probe of probes) assert.deepEqual(await ask(probe, 'write 1'), { count: 2001 })
  const follower = box.warren(['logs', '-f', '-n', '10000', 'teller'])
  for (const probe of probes) await follower.until(new RegExp(`line ${probe.pid} 2000\n`))
  for (const probe of probes)
    assert.equal(follower.text('stdout').match(new RegExp(`line ${probe.pid} `, 'g')).length, 2001)
  // They are its own from now on.
  probes[0].socket.write('exit 3\n')
  await box.probes.next()
  await box.ok(['stop', 'teller'])
  await Promise.all(probes.map((probe) => probe.gone))
})

test('how a node ended while there was no agent is known to the next one', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.ok(['run', '-d', '--restart', 'always', 'teller.js'])
  const probe = await box.probes.next()
  await box.killAgent(first)
  probe.socket.write('exit 7\n')
  await probe.gone
  const second = await box.agent()
  await second.until(/teller\.0 crashed \(exit code 7\), restarting/)
  const next = await box.probes.next()
  await second.until(/teller\.0 started/)
  const [node] = await box.nodes()
  assert.equal(node.pid, next.pid)
  assert.equal(node.restarts, 1)
  assert.equal(node.lastExit.code, 7)
  // What it was restarted for is counted by a third agent too.
  await box.killAgent(second)
  await box.agent()
  const [same] = await box.nodes()
  assert.deepEqual([same.pid, same.restarts, same.lastExit.code], [next.pid, 1, 7])
})

test('a shared port is served while there is no agent, and by who starts after it', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const get = () => new Promise((resolve, reject) => {
    http.get({ port, host: '127.0.0.1', agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(Number(text)))
    }).on('error', reject)
  })
  const first = await box.agent()
  await box.ok(['run', '-d', 'teller.js', '--ready', 'listen', '--', port])
  const probe = await box.probes.next()
  while ((await box.nodes())[0].state !== 'up'); // it listens
  assert.equal(await get(), probe.pid)
  await box.killAgent(first)
  assert.equal(await get(), probe.pid)
  await box.agent()
  assert.equal(await get(), probe.pid)
  await box.ok(['restart', 'teller'])
  const next = await box.probes.next()
  assert.equal(await get(), next.pid)
})

test('no message between nodes is lost, discovery goes on when there is an agent again', async (t) => {
  const box = await Sandbox.open(t)
  let agent = await box.agent()
  await box.ok(['run', '-d', 'server.js', '-i', '3'])
  const servers = await box.probes.take(3)
  await box.ok(['run', '-d', 'caller.js'])
  const caller = await box.probes.next()
  await ask(caller, 'go')
  while ((await ask(caller, 'report')).calls < 1000); // its links are there
  const before = pids(await box.nodes())
  let slowest = 0
  for (let i = 0; i < 3; i++) {
    await box.killAgent(agent)
    const { calls } = await ask(caller, 'report')
    // Its work goes on without an agent.
    while ((await ask(caller, 'report')).calls < calls + 500);
    const adopted = await box.adopt()
    agent = adopted.agent
    slowest = Math.max(slowest, adopted.ms)
    assert.deepEqual(pids(adopted.nodes), before)
  }
  // A node that comes now is found by those that were adopted.
  await box.ok(['run', '-d', 'server.js', '--name', 'late'])
  await box.probes.next()
  const report = await ask(caller, 'stop')
  assert.deepEqual([report.errors, report.wrong, report.lost], [[], 0, 0])
  let missing = 0
  for (const server of servers) {
    let counted = await ask(server, 'report')
    while (counted.received < report.published) counted = await ask(server, 'report')
    missing += report.published - counted.received
    assert.deepEqual([counted.disorder, counted.downs], [[], 0])
  }
  assert.equal(missing, 0)
  assert.deepEqual((await box.nodes()).map((node) => node.joined), Array(5).fill(true))
  figure(t, 'calls while the agent was killed three times', report.calls, 'calls')
  figure(t, 'messages lost', missing, `of ${3 * report.published}`)
  figure(t, 'slowest adoption', slowest, 'ms')
})

test('an agent that is killed while it adopts leaves nothing behind that harms the next one', async (t) => {
  const box = await Sandbox.open(t)
  let agent = await box.agent()
  await box.ok(['run', '-d', 'server.js', '-i', '2'])
  await box.probes.take(2)
  await box.ok(['run', '-d', 'caller.js'])
  const caller = await box.probes.next()
  await ask(caller, 'go')
  await box.nodes() // their launches are over
  for (let i = 0; i < 10; i++) {
    await box.killAtOnce(agent)
    agent = await box.agent() // what it asked of nodes is being answered
  }
  await box.killAtOnce(agent)
  await box.agent()
  const { calls } = await ask(caller, 'report')
  while ((await ask(caller, 'report')).calls < calls + 500);
  assert.deepEqual((await box.nodes()).map((node) => node.joined), [true, true, true])
  const report = await ask(caller, 'stop')
  assert.deepEqual([report.errors, report.wrong, report.lost], [[], 0, 0])
})

test('one whose connection to the agent was closed is adopted, and started again when it ends', async (t) => {
  const box = await Sandbox.open(t)
  let agent = await box.agent()
  await box.ok(['run', '-d', 'garbled.js'])
  const first = await box.probes.next()
  await agent.until(/garbled\.0 \(pid \d+\): it sent a message that cannot be read; its connection is closed/)
  await agent.until(/garbled\.0 is ready/) // which is kept
  await box.killAgent(agent)
  agent = await box.agent()
  assert.deepEqual((await box.nodes()).map(({ name, pid }) => [name, pid]), [['garbled.0', first.pid]])
  process.kill(first.pid, 'SIGKILL')
  assert.notEqual((await box.probes.next()).pid, first.pid)
  await agent.until(/garbled\.0 crashed \(signal SIGKILL\), restarting/)
})

test('what the next agent cannot read ends with what belongs to it, and is not found again', async (t) => {
  const box = await Sandbox.open(t)
  let agent = await box.agent()
  await box.ok(['run', '-d', 'server.js', '-i', '2', '--name', 'lost'])
  const lost = await box.probes.take(2)
  await box.ok(['run', '-d', 'server.js', '--name', 'other'])
  const other = await box.probes.next()
  await box.killAgent(agent)
  // keeper.proto: Put, the first service under its name, and a Run of nothing; what else is kept stays.
  const put = '0a15' + '0802' + '110100000000000000' + '1a06' + '0a04' + Buffer.from('lost').toString('hex') + '2001'
  const poked = box.start(POKE, [path.join(box.state, 'keeper.sock'), put])
  await poked.until(/^\d+$/m) // it was told what is kept, and has said this before
  agent = await box.agent()
  assert.match((await poked.ended).stdout, /closed\n$/)
  assert.match(agent.output, /lost cannot be adopted, and its instances end: cannot run 0 instances/)
  await Promise.all(lost.map(({ gone }) => gone))
  assert.deepEqual((await box.nodes()).map(({ name, pid }) => [name, pid]), [['other.0', other.pid]])
  await box.ok(['run', '-d', 'server.js', '-i', '1', '--name', 'lost'])
  const found = await box.probes.next()
  await box.killAgent(agent)
  agent = await box.agent()
  assert.deepEqual((await box.nodes()).map(({ name, pid }) => [name, pid]), [['other.0', other.pid], ['lost.0', found.pid]])
  assert.doesNotMatch(agent.output, /cannot be adopted/)
})

test('a keeper whose nodes have ended, and that has no agent, ends', async (t) => {
  const box = await Sandbox.open(t)
  // The keeper of the agent, and so the zygotes that write to its output, end with the last node.
  const agent = await box.agent({ env: { WARREN_KEEP_ENDED: '0' } })
  await box.ok(['run', '-d', '--restart', 'always', 'teller.js', '-i', '2'])
  const probes = await box.probes.take(2)
  await box.killAgent(agent)
  probes[0].socket.write('exit 1\n')
  await probes[0].gone
  assert.deepEqual(await ask(probes[1], 'write 1'), { count: 1 })
  probes[1].socket.write('exit 1\n')
  await agent.ended
  assert.equal(box.hasKeeper(), false)
  await box.agent()
  assert.deepEqual(await box.nodes(), [])
})

test('the next agent sees a node stall, and what holds it; also one that stalled while there was no agent', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.ok(['run', '-d', 'teller.js', '-i', '2'])
  const probes = await box.probes.take(2)
  await box.killAgent(first)
  probes[0].socket.write('spin 120000\n')
  const { agent } = await box.adopt()
  probes[1].socket.write('spin 120000\n')
  for (const name of ['teller.0', 'teller.1']) await agent.until(new RegExp(`${name}.* has not turned`))
  assert.deepEqual((await box.nodes()).map((node) => [node.state, node.stalls]), [['stalled', 1], ['stalled', 1]])
  const { stdout } = await box.ok(['inspect', 'teller'])
  assert.equal(stdout.match(/^teller\.\d \(pid \d+\) is stalled, .* it runs:\n {4}at spin \(/gm).length, 2)
})

test('what is to be done with a node that stalls is done by the next agent too', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.ok(['run', '-d', '--restart', 'always', '--stall', '3s:terminate', 'teller.js'])
  const probe = await box.probes.next()
  await box.killAgent(first)
  await box.agent()
  probe.socket.write('spin 120000\n')
  await probe.gone
  const next = await box.probes.next()
  const [node] = await box.nodes()
  assert.equal(node.pid, next.pid)
  assert.match(node.lastExit.reason, /^terminated: its loop had not turned for/)
})
