// `warren agent` as a daemon: services are started, looked at and stopped from other terminals.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './harness.mjs'

test('a service is started, seen, followed and stopped from other processes', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const started = await box.done(['run', '-d', 'probe.js', 'polite', '-i', '2'])
  assert.equal(started.code, 0)
  assert.match(started.stderr, /^warren: probe runs with 2 instances/)
  const probes = await box.probes.take(2)

  const follower = box.warren(['logs', '-f', 'probe'])
  await follower.until(/probe\.0 \| hello[^]*probe\.1 \| hello|probe\.1 \| hello[^]*probe\.0 \| hello/)
  const list = await box.done(['ps'])
  assert.match(list.stdout, /^NAME +STATE +PID +UPTIME +MEMORY +RESTARTS +JOINED +PROGRAM\n/)
  assert.match(list.stdout, /^probe\.1 +up +\d+ +\d+s +[\d.]+ MB +0 +no +\/.*probe\.js$/m)

  const stopped = await box.done(['stop', 'probe'])
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.equal(stopped.stdout, 'stopped probe\n')
  await Promise.all(probes.map((probe) => probe.gone)) // stop waited for this
  const { code, stdout } = await follower.ended
  assert.equal(code, 0)
  assert.equal(stdout.match(/goodbye/g).length, 2)
  assert.deepEqual(await box.nodes(), [])
  assert.match((await box.done(['logs', 'probe'])).stdout, /goodbye/) // they are kept
})

test('ps --json has the documented fields', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'probe.js'])
  const probe = await box.probes.next()
  const [node] = await box.nodes()
  const { id, uptimeMs, memoryBytes, ready, ...rest } = node
  assert.match(id, /^[0-9a-f]{16}$/)
  assert.ok(uptimeMs >= 0 && memoryBytes > 0 && typeof ready === 'boolean') // so young, it may be or not
  assert.deepEqual(rest, {
    name: 'probe.0', service: 'probe', instance: 0, state: 'up', pid: probe.pid, restarts: 0, stalledMs: 0, stalls: 0, joined: false, group: '', lastExit: null,
    cold: false, reason: '', limits: null, logLinesLost: 0, entry: path.join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, 'programs', 'probe.js'),
  })
})

test('run -d without an agent brings one that ends with the service', async (t) => {
  const box = await Sandbox.open(t)
  assert.equal((await box.done(['run', '-d', 'probe.js'])).code, 0)
  const probe = await box.probes.next()
  assert.equal((await box.nodes())[0].pid, probe.pid)
  const follower = box.warren(['logs', '-f', 'probe'])
  await follower.until(/hello/)
  assert.equal((await box.done(['stop', 'probe'])).code, 0)
  await probe.gone
  assert.equal((await follower.ended).code, 0)
})

test('one instance is stopped alone, and a service by --all', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'probe.js', '-i', '2'])
  await box.probes.take(2)
  assert.equal((await box.done(['stop', 'probe.1'])).code, 0)
  assert.deepEqual((await box.nodes()).map((node) => [node.name, node.state]), [['probe.0', 'up'], ['probe.1', 'down']])
  assert.equal((await box.done(['stop', '--all', '--json'])).stdout, '{"stopped":"all"}\n')
  assert.deepEqual(await box.nodes(), [])
})

test('stop --kill does not wait for the grace time', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'probe.js', 'deaf', '--grace', '3600000'])
  const probe = await box.probes.next()
  assert.equal((await box.done(['stop', 'probe', '--kill'])).code, 0)
  await probe.gone
})

test('a detached service that failed stays in the list with its reason', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'syntax.js'])
  await agent.until(/syntax is over/)
  const [node] = await box.nodes()
  assert.deepEqual([node.state, node.pid], ['failed', 0])
  assert.match(node.reason, /^exit code 1 (within 1 s of its first start|after 5 restarts within 60 s)$/) // by how slow the machine is
  assert.equal((await box.done(['run', '-d', 'syntax.js'])).code, 0) // its name is free
  await agent.until(/syntax is over[^]*syntax is over/)
  assert.equal((await box.done(['stop', 'syntax'])).code, 0)
  assert.deepEqual(await box.nodes(), [])
})

test('logs -n shows the last lines, of one instance or all', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'args.js', 'x', '-i', '2'])
  await agent.until(/args is over/)
  const one = await box.done(['logs', 'args.1', '-n', '10'])
  assert.deepEqual([one.stdout, one.stderr], ['args.1 | ["x"]\n', 'args.1 | to stderr\n'])
  // A service that runs with fewer instances now: what the others wrote is still there.
  await box.done(['run', '-d', 'args.js', '--name', 'args'])
  await agent.until(/args is over[^]*args is over/)
  const old = await box.done(['logs', 'args.1', '-n', '10', '--no-prefix'])
  assert.deepEqual([old.code, old.stdout], [0, '["x"]\n'])
  const all = await box.done(['logs', '-n', '3', '--json'])
  assert.equal(all.stdout.trimEnd().split('\n').length, 3)
})

test('a log is 0600 in a directory that is 0700', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', 'args.js'])
  const mode = (...parts) => (fs.statSync(path.join(box.state, ...parts)).mode & 0o777).toString(8)
  assert.deepEqual([mode(), mode('logs'), mode('logs', 'args.log'), mode('agent.sock')], ['700', '700', '600', '600'])
})

test('a follower of everything sees services that come later', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const follower = box.warren(['logs', '-f'])
  const agent = await box.done(['ps'])
  assert.match(agent.stdout, /nothing is running/)
  await box.done(['run', '-d', 'probe.js'])
  await follower.until(/probe\.0 \| hello/)
  follower.kill('SIGINT')
  assert.equal((await follower.ended).code, 130)
})

test('a second agent says that there is one', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const { code, stderr } = await box.done(['agent'])
  assert.equal(code, 1)
  assert.equal(stderr, `warren: an agent is running already in ${box.state} (pid ${agent.pid}): \`warren agent --stop\` ends it\n`)
  assert.equal((await box.done(['ps'])).code, 0)
})

test('SIGTERM to the agent stops all services and then the agent', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'probe.js', 'polite'])
  const probe = await box.probes.next()
  const owner = box.warren(['run', 'probe.js', 'polite', '--name', 'owned'])
  const owned = await box.probes.next()
  agent.kill('SIGTERM')
  assert.equal((await agent.ended).code, 0)
  await Promise.all([probe.gone, owned.gone])
  assert.match(agent.text('stderr'), /owned is over[^]*the agent ends: it was stopped/)
  assert.equal((await owner.ended).code, 0)
  assert.ok(!fs.existsSync(path.join(box.state, 'agent.sock')))
})

test('a second signal to the agent kills its nodes at once', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'probe.js', 'deaf', '--grace', '3600000'])
  const probe = await box.probes.next()
  agent.kill('SIGINT')
  await new Promise((resolve) => probe.socket.once('data', resolve))
  agent.kill('SIGINT')
  assert.equal((await agent.ended).code, 0)
  await probe.gone
})

test('agent --stop waits until the agent has stopped everything', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'probe.js'])
  const probe = await box.probes.next()
  assert.equal((await box.done(['agent', '--stop'])).code, 0)
  await probe.gone
  assert.equal((await agent.ended).code, 0)
})

test('without an agent ps, logs and stop say what to do', async (t) => {
  const box = await Sandbox.open(t)
  for (const args of [['ps'], ['logs'], ['stop', 'app'], ['agent', '--stop']]) {
    const { code, stdout, stderr } = await box.done(args)
    assert.deepEqual([code, stdout], [4, ''])
    assert.equal(stderr, `warren: no agent is running in ${box.state}: \`warren agent\` starts one, \`warren run\` brings its own\n`)
  }
})

test('an unknown target is told with what was meant', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'probe.js'])
  await box.probes.next()
  for (const [args, exitCode, sentence] of [
    [['stop', 'prboe'], 3, 'no service is called prboe: did you mean probe?'],
    [['logs', 'zebra'], 3, 'no service is called zebra (`warren ps` lists them)'],
    [['stop', 'probe.4'], 3, 'probe has no instance 4: it has 0 to 0'],
    [['stop', 'probe.00'], 2, '"probe.00" names no nodes: app, app.2 or all would'],
    [['logs', 'probe.4'], 3, 'probe has no instance 4: it has 0 to 0'],
    [['stop', '../x'], 2, '"../x" names no nodes: app, app.2 or all would'],
  ]) {
    const { code, stderr } = await box.done(args)
    assert.deepEqual([code, stderr], [exitCode, `warren: ${sentence}\n`])
  }
  assert.equal((await box.done(['run', 'args.js', '--name', 'probe'])).stderr.split(' (')[0], 'warren: a service called probe is running already')
})
