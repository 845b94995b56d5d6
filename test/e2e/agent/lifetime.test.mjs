// Who outlives whom, whatever dies first. A probe's connection is closed by the kernel when its node is gone.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Sandbox } from './harness.mjs'

// The child of the agent that forks the nodes.
function zygoteOf(agentPid) {
  const [pid] = fs.readFileSync(`/proc/${agentPid}/task/${agentPid}/children`, 'utf8').trim().split(' ')
  return Number(pid)
}

test('kill -9 of run ends its nodes, and the agent it brought', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', '-i', '3'])
  const probes = await box.probes.take(3)
  const other = box.warren(['logs', '-f', 'probe']) // sees the agent's end
  await other.until(/hello/)
  proc.kill('SIGKILL')
  await Promise.all(probes.map((probe) => probe.gone))
  assert.equal((await other.ended).code, 0)
})

test('kill -9 of the agent ends its nodes, and run says so', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', '-i', '3'])
  const probes = await box.probes.take(3)
  await proc.until(/hello/)
  process.kill(box.agentPid(), 'SIGKILL')
  const { code, stderr } = await proc.ended
  assert.equal(code, 4)
  assert.match(stderr, /warren: the agent died, and its nodes with it\n$/)
  await Promise.all(probes.map((probe) => probe.gone))
})

test('kill -9 of a daemon ends nodes of a run in the foreground, as the run is over', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const run = box.warren(['run', 'probe.js'])
  const probe = await box.probes.next()
  await run.until(/hello/)
  agent.kill('SIGKILL')
  await probe.gone
  assert.equal((await run.ended).code, 4)
  await box.agent() // in spite of the socket and the lock file that are left
  assert.deepEqual(await box.nodes(), [])
})

for (const [what, env, forsake] of [
  ['when nobody has adopted them in time', { WARREN_ORPHAN_TIMEOUT: '1' }, () => {}],
  ['when nobody can: the state directory is gone', {}, (box) => fs.rmSync(box.state, { recursive: true })],
])
  test(`detached nodes of a killed daemon end ${what}`, async (t) => {
    const box = await Sandbox.open(t)
    const agent = await box.agent({ env })
    await box.done(['run', '-d', 'probe.js'])
    const probe = await box.probes.next()
    agent.kill('SIGKILL')
    forsake(box)
    await probe.gone
    await agent.ended
    await box.agent()
    assert.deepEqual(await box.nodes(), [])
  })

test('nodes live on when the zygote dies, and new ones come from the next', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const proc = box.warren(['run', 'probe.js', 'polite', '-i', '2'])
  const probes = await box.probes.take(2)
  await agent.until(/probe\.0 started[^]*probe\.1 started|probe\.1 started[^]*probe\.0 started/)
  process.kill(zygoteOf(agent.pid), 'SIGKILL')
  await agent.until(/it was ended by signal 9 \(Killed\); its nodes run on/)
  assert.deepEqual((await box.nodes()).map((node) => node.state), ['up', 'up'])
  // Their ends are known as before: one by a signal, which is restarted, one by its exit code.
  process.kill(probes[0].pid, 'SIGKILL')
  await proc.until(/crashed \(signal SIGKILL\), restarting/)
  const third = await box.probes.next()
  await proc.until(/restarted/)
  process.kill(probes[1].pid, 'SIGTERM')
  await probes[1].gone
  process.kill(third.pid, 'SIGTERM')
  assert.equal((await proc.ended).code, 0)
})

test('what a node leaves behind does not hold up its end', async (t) => {
  const box = await Sandbox.open(t)
  // A child that keeps the node's stdout open for ever; the test ends it.
  const { code, stdout } = await box.done(['run', 'orphan.js', '--no-prefix'])
  const orphan = Number(stdout)
  assert.equal(code, 0)
  assert.ok(orphan > 0)
  process.kill(orphan, 'SIGKILL') // throws when it is not there
})

test('an agent for a run ends with the last run, not with the first', async (t) => {
  const box = await Sandbox.open(t)
  const one = box.warren(['run', 'probe.js', '--name', 'one'])
  await box.probes.next()
  await one.until(/hello/)
  const two = box.warren(['run', 'probe.js', '--name', 'two'])
  const second = await box.probes.next()
  await two.until(/hello/)
  one.kill('SIGINT')
  await one.ended
  assert.deepEqual((await box.nodes()).map((node) => node.name), ['two.0'])
  two.kill('SIGINT')
  await two.ended
  await second.gone
})

test('`warren agent` right after a run waits for that run\'s agent, which ends', async (t) => {
  const box = await Sandbox.open(t)
  for (let i = 0; i < 6; i++) {
    assert.equal((await box.done(['run', 'exit.js', '0'])).code, 0)
    const agent = await box.agent()
    agent.kill('SIGTERM')
    assert.equal((await agent.ended).code, 0)
  }
})

test('an agent of a run that goes on is told from a daemon', async (t) => {
  const box = await Sandbox.open(t)
  const run = box.warren(['run', 'probe.js'])
  await run.until(/hello/)
  const { code, stderr } = await box.done(['agent'])
  assert.deepEqual([code, stderr], [1, `warren: the agent of a \`warren run\` is running in ${box.state} (pid ${box.agentPid()}) and ends with it: stop that first, or choose another WARREN_DIR\n`])
})

test('a run that meets an agent that is just ending brings its own', async (t) => {
  const box = await Sandbox.open(t)
  for (let i = 0; i < 8; i++) {
    const [first, second] = await Promise.all([box.done(['run', 'exit.js', '3']), box.done(['run', 'exit.js', '4'])])
    assert.deepEqual([first.code, second.code], [3, 4], first.stderr + second.stderr)
  }
  assert.match(box.agentLog(), /the agent ends: nothing is left to run/)
})

test('many runs at once share one agent', async (t) => {
  const box = await Sandbox.open(t)
  const runs = Array.from({ length: 6 }, (_, i) => box.done(['run', 'args.js', String(i)]))
  const results = await Promise.all(runs)
  for (const [i, { code, stdout, stderr }] of results.entries()) {
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`^args(-\\d)?\\.0 \\| \\["${i}"\\]\\n$`))
  }
})
