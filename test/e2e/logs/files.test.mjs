// The files that output is kept in: how large, how many, and what of it comes back.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { WARREN } from '../agent/harness.mjs'
import { dataOf, programs, Sandbox, tell } from './sandbox.mjs'

test('a log takes no more room than was said, and its end is there', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const run = box.warren(['run', 'chunks.js', '7', '--log-size', '128K', '--log-files', '3'])
  const { code, stdout } = await run.ended
  assert.equal(code, 0)
  assert.equal(stdout.split('\n').length, 2001) // who runs it sees all of it
  const files = box.logFiles('chunks')
  assert.deepEqual(files.map(({ name }) => name), ['chunks.log', 'chunks.log.1', 'chunks.log.2'])
  assert.ok(files.every(({ size }) => size <= 128 << 10), JSON.stringify(files))
  const lines = dataOf(await box.logs('chunks', '--tail', '1000')).toString().trimEnd().split('\n')
  assert.deepEqual(lines.map((line) => line.replace(/x*$/, '')).slice(-500), Array.from({ length: 500 }, (_, i) => `7:${1500 + i}:`))
  // The next run keeps fewer, and takes away what is too much.
  const next = await box.done(['run', 'chunks.js', '8', '--name', 'chunks', '--log-size', '128K', '--log-files', '1'])
  assert.equal(next.code, 0)
  assert.deepEqual(box.logFiles('chunks').map(({ name }) => name), ['chunks.log'])
})

test('lines of several nodes are never mixed, however they were cut', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const { code } = await box.done(['run', 'chunks.js', '-i', '4'])
  assert.equal(code, 0)
  const pieces = await box.logs('chunks', '-n', '10000')
  for (let i = 0; i < 4; i++) {
    const lines = dataOf(pieces.filter(({ node }) => node === `chunks.${i}`)).toString().trimEnd().split('\n')
    assert.equal(lines.length, 2000)
    const [me] = lines[0].split(':')
    lines.forEach((line, n) => assert.equal(line, `${me}:${n}:${'x'.repeat((n * 37) % 500)}`))
  }
})

test('bytes of any kind and lines of any length come back as they were', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const { code } = await box.done(['run', '../../agent/programs/bytes.js'])
  assert.equal(code, 0)
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  assert.deepEqual(dataOf(await box.logs('bytes')), Buffer.concat([all, Buffer.alloc(100_000, 'x'), all]))
})

test('--since and --tail say where to begin', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'teller.js', '-i', '2'])
  const tellers = await box.probes.take(2)
  for (const teller of tellers) tell(teller, { stdout: 'before\n' })
  const isThere = (count) => (pieces) => pieces.length === count
  const before = await box.until(() => box.logs('teller'), isThere(2))
  const since = new Date(Math.max(...before.map(({ at }) => Date.parse(at))) + 1).toISOString()
  while (Date.now() < Date.parse(since)) await box.done(['version']) // a millisecond
  for (const teller of tellers) tell(teller, { stderr: 'then\n' })
  await box.until(() => box.logs('teller'), isThere(4))
  const texts = async (...args) => (await box.logs('teller', ...args)).map(({ data, stream }) => `${stream} ${data}`)
  assert.deepEqual(await texts('--since', since), ['stderr then\n', 'stderr then\n'])
  assert.equal((await texts('--since', '1h')).length, 4)
  assert.deepEqual(await texts('--tail', '1'), ['stderr then\n'])
  assert.deepEqual((await box.logs('teller.1', '--tail', '9')).map(({ node, data }) => node + data), ['teller.1before\n', 'teller.1then\n'])
  for (const word of ['yesterday', '2026-02-30T00:00:00Z', '2026-02-28', '3651d']) {
    const bad = await box.done(['logs', '--since', word])
    assert.deepEqual([bad.code, bad.stderr],
      [2, `warren: --since is so long ago, like 90s, 30m, 1h or 7d (at most 3650d), or a date like 2026-11-23T10:51:49Z, not "${word}"\n`])
  }
})

test('what an agent wrote that was killed is there for the next one', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'teller.js'])
  const teller = await box.probes.next()
  tell(teller, { stdout: 'kept\n' })
  await box.until(() => box.logs('teller'), (pieces) => pieces.length === 1)
  await box.killAgent(agent)
  await box.agent()
  assert.equal(dataOf(await box.logs('teller')).toString(), 'kept\n')
})

test('logs reads the files of a service when no agent runs, and cannot follow them', async (t) => {
  const box = await Sandbox.open(t)
  const run = box.warren(['run', 'teller.js'])
  const teller = await box.probes.next()
  tell(teller, { stdout: 'first\nsecond\n' })
  await run.until(/second/)
  run.kill('SIGTERM')
  await run.ended // and, a moment later, the agent that it brought
  assert.equal(dataOf(await box.logs('teller')).toString(), 'first\nsecond\n')
  await box.until(() => box.done(['ps']), ({ code }) => code === 4)
  assert.deepEqual(await box.done(['logs', 'teller.0', '-n', '1']).then(({ code, stdout, stderr }) => ({ code, stdout, stderr })),
    { code: 0, stdout: 'teller.0 | second\n', stderr: '' })
  const following = await box.done(['logs', '-f', 'teller'])
  assert.deepEqual([following.code, following.stdout], [4, ''])
  assert.match(following.stderr, /^warren: cannot follow teller: no agent is running in .*, so nothing is written \(`warren logs teller` prints what was\)\n$/)
  const ps = await box.done(['ps', 'teller'])
  assert.deepEqual([ps.code, ps.stderr.split('\n')[1]], [4, 'warren: what teller wrote is still there: `warren logs teller`'])
  for (const target of ['teller.7', 'other']) {
    const { code, stdout, stderr } = await box.done(['logs', target])
    assert.deepEqual([code, stdout, /^warren: no agent is running in /.test(stderr)], [4, '', true])
  }
})

test('lines for which there is no room are counted, and nobody ends for them', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.start('prlimit', ['--fsize=65536:unlimited', WARREN, 'agent'])
  await agent.until(/is ready after/)
  await box.done(['run', '-d', 'teller.js'])
  const teller = await box.probes.next()
  tell(teller, { stdout: `${'x'.repeat(99)}\n`, times: 2000 })
  const [node] = await box.until(() => box.nodes(), ([{ logLinesLost }]) => logLinesLost > 0)
  assert.deepEqual([node.state, node.pid, node.restarts], ['up', teller.pid, 0])
  execFileSync('prlimit', ['--pid', String(agent.pid), '--fsize=unlimited:unlimited'])
  // A log that failed is tried again after a second, when there is something to write.
  const [, lost] = await box.until(async () => {
    tell(teller, { stdout: 'more\n' })
    await box.done(['version'])
    return agent.output.match(/teller\.log is written again: (\d+) lines were lost/)
  }, Boolean)
  assert.equal(agent.output.match(/cannot write .*teller\.log/g).length, 1)
  await box.until(() => box.logs('teller', '-n', '5'), (pieces) => pieces.some(({ data }) => data === 'more\n'))
  const text = fs.readFileSync(path.join(box.state, 'logs', 'teller.log'), 'utf8')
  assert.match(text, new RegExp(`Z teller err: ${lost} lines are missing here: File too large\\n`))
  assert.ok(text.split('\n').every((line) => line === '' || /^\S{24}Z? ?/.test(line)), 'no torn line')
  assert.equal((await box.nodes())[0].logLinesLost, Number(lost))
})

test('options of logs that make no sense are refused', async (t) => {
  const box = await Sandbox.open(t)
  for (const [args, text] of [
    [['--log-size', '1K'], '--log-size is a number of bytes like 512K, 200M or 1G, from 128K to 1G, not "1K"'],
    [['--log-size', 'much'], '--log-size is a number of bytes like 512K, 200M or 1G, from 128K to 1G, not "much"'],
    [['--log-files', '0'], '--log-files is a number from 1 to 100, not "0"'],
  ]) {
    const { code, stderr } = await box.done(['run', path.join(programs, 'chunks.js'), ...args])
    assert.deepEqual([code, stderr], [2, `warren: ${text}\n`])
  }
})

test('what is no file in the place of a log, or of the agent\'s own, stops nobody', async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(path.join(box.state, 'logs'), { recursive: true, mode: 0o700 })
  for (const name of ['agent.log', 'events.jsonl', 'logs/once.log']) execFileSync('mkfifo', [path.join(box.state, name)])
  fs.chmodSync(box.state, 0o700)
  fs.writeFileSync(path.join(box.dir, 'once.js'), 'console.log("said")\n')
  const end = await box.done(['run', '--no-prefix', path.join(box.dir, 'once.js')]) // its agent has all three
  assert.deepEqual([end.code, end.stdout], [0, 'said\n'], end.stderr)
  const agent = await box.agent()
  assert.equal((await box.done(['run', path.join(box.dir, 'once.js')])).code, 0)
  await agent.until(/cannot write \S+once\.log/)
  await agent.until(/cannot write \S+events\.jsonl/)
})
