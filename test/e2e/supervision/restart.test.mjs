// Restarts by hand and by policy, and what is told of a life that has ended.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, ask } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

test('warren restart ends all instances, starts them again, and returns when they are ready', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['run', '-d', 'sign.js', '-i', '2', '--ready', 'mesh'])
  const before = await box.probes.take(2)
  for (const probe of before) await ask(probe, 'mesh')
  const restart = box.warren(['restart', 'sign'])
  const after = await box.probes.take(2)
  for (const probe of before) await probe.gone
  assert.equal((await box.node('sign.0')).state, 'starting')
  assert.equal(restart.isOver, undefined) // it waits for both
  for (const probe of after) await ask(probe, 'mesh')
  assert.deepEqual(await restart.ended.then(({ code, stdout }) => [code, stdout]), [0, 'restarted sign\n'])
  assert.deepEqual((await box.nodes()).map(({ ready, restarts }) => [ready, restarts]), [[true, 1], [true, 1]])
})

test('one instance is restarted alone', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['run', '-d', 'sign.js', '-i', '2', '--ready', 'started'])
  await box.probes.take(2)
  const pids = (await box.nodes()).map(({ pid }) => pid)
  assert.equal((await box.ok(['restart', 'sign.1', '--json'])).stdout, '{"restarted":"sign.1"}\n')
  const now = (await box.nodes()).map(({ pid }) => pid)
  assert.equal(now[0], pids[0])
  assert.notEqual(now[1], pids[1])
})

test('a service that has failed is started again by hand', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const program = path.join(box.dir, 'mended.js')
  fs.writeFileSync(program, 'console.error("broken"); process.exit(3)')
  await box.ok(['run', '-d', program, '--name', 'mended', '--ready', 'listen'])
  const follower = box.warren(['logs', '-f', 'mended'])
  await follower.ended // the service is over
  assert.equal((await box.node('mended.0')).state, 'failed')
  const { code, stderr } = await box.done(['restart', 'mended']) // it is still broken
  assert.equal(code, 1)
  assert.match(stderr, /mended did not come back: exit code 3 /)
  fs.writeFileSync(program, `require("node:http").createServer().listen(${await freePort()}, "127.0.0.1")`)
  await box.ok(['restart', 'mended'])
  assert.deepEqual([(await box.node('mended.0')).state, (await box.node('mended.0')).ready], ['up', true])
  await box.ok(['stop', 'mended'])
})

test('a restart of what is not there says so', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['run', '-d', 'sign.js'])
  const { code, stderr } = await box.done(['restart', 'sing'])
  assert.equal(code, 3)
  assert.match(stderr, /did you mean sign\?/)
  assert.equal((await box.done(['restart'])).code, 2)
})

test('the budget of restarts is what --max-restarts says', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stderr } = await box.done(['run', 'wordy.js', '--max-restarts', '2/30', '--', 'SIGSEGV'])
  assert.equal(code, 139)
  assert.equal(stderr.match(/restarting in/g).length, 2)
  assert.match(stderr, /wordy\.0 failed \(signal SIGSEGV after 2 restarts within 30 s\): not restarted any more/)
  for (const wrong of ['5', '5/0', '5/60s', '1001/60', '-1/60']) {
    const refused = await box.done(['run', 'wordy.js', '--max-restarts', wrong, '--', '0'])
    assert.equal(refused.code, 2, wrong)
  }
})

test('--restart always goes on after exit code 0, never ends with the first life', async (t) => {
  const box = await Sandbox.open(t)
  const always = box.run(['wordy.js', '--restart', 'always', '--', '0'])
  assert.match((await always.event('wordy.0', 'down')).text, /^wordy\.0 ended \(exit code 0\), restarting in/)
  always.end()
  await always.ended
  const never = await box.done(['run', 'wordy.js', '--restart', 'never', '--', 'SIGSEGV'])
  assert.equal(never.code, 139)
  assert.doesNotMatch(never.stderr, /restarting/)
})

test('a report tells how the last life ended, and what it wrote last', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['run', '-d', 'wordy.js', '--restart', 'never', '--', '7'])
  await box.warren(['logs', '-f', 'wordy']).ended
  const { lastExit } = await box.node('wordy.0')
  const { at, uptimeMs, ...rest } = lastExit
  assert.ok(uptimeMs >= 0 && Date.now() - Date.parse(at) < 60_000)
  assert.deepEqual(rest, {
    code: 7, signal: 0, oom: false, reason: 'exit code 7', stderr: ['first line', '\u001b[31mlast line\u001b[0m'],
  })
  const { stdout } = await box.ok(['ps', 'wordy.0'])
  assert.match(stdout, /^wordy\.0: its last life ended \d+s ago, after \d+s: exit code 7\n {2}first line\n {2}\?\[31mlast line\?\[0m\n$/m)
  assert.equal((await box.done(['ps', 'nobody'])).code, 3)
})

test('a report is kept through the next life', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['sign.js', '--ready', 'started'])
  const first = await box.probes.next()
  assert.equal((await box.node('sign.0')).lastExit, null)
  first.socket.write('die\n')
  await box.probes.next()
  const { state, lastExit } = await box.node('sign.0')
  assert.deepEqual([state, lastExit.signal, lastExit.code, lastExit.reason], ['up', 11, -1, 'signal SIGSEGV'])
  proc.end()
})

test('--stop-signal is what asks it to end', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['sigint.js', '--stop-signal', 'int'])
  await proc.until(/hello/)
  await box.ok(['stop', 'sigint'])
  const { code, stdout } = await proc.ended
  assert.equal(code, 0)
  assert.match(stdout, /goodbye/)
  assert.doesNotMatch(stdout, /SIGTERM/)
  assert.equal((await box.done(['run', 'sigint.js', '--stop-signal', 'SIGSTOP'])).code, 2)
})

test('what does not end within its grace time is killed', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['sigint.js', '--grace', '200ms'])
  await proc.until(/hello/)
  await box.ok(['stop', 'sigint'])
  const { signal, code } = await proc.event('sigint.0', 'down')
  assert.deepEqual([code, signal], [-1, 9])
})
