// `warren logs -f` goes on, whatever ends and comes back.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, tell } from './sandbox.mjs'

test('a follower of a service sees the lives that follow a crash', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'teller.js', '--restart', 'always'])
  const follower = box.warren(['logs', '-f', 'teller', '--no-prefix'])
  for (let life = 0; life < 3; life++) {
    const teller = await box.probes.next()
    tell(teller, { stdout: `life ${life}\n` })
    await follower.until(new RegExp(`life ${life}\n`))
    tell(teller, { crash: true })
  }
  assert.equal(follower.isOver, undefined)
  assert.equal((await box.done(['stop', 'teller'])).code, 0)
  const { code, stdout } = await follower.ended
  assert.deepEqual([code, stdout], [0, 'life 0\nlife 1\nlife 2\n'])
})

test('a follower of one instance sees that one alone', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'teller.js', '-i', '2'])
  const tellers = await box.probes.take(2)
  const names = new Map((await box.nodes()).map(({ pid, name }) => [pid, name]))
  const follower = box.warren(['logs', '-f', 'teller.1'])
  const everything = box.warren(['logs', '-f'])
  for (const teller of tellers) tell(teller, { stdout: `I am ${names.get(teller.pid)}\n` })
  await everything.until(/I am teller\.0[^]*I am teller\.1|I am teller\.1[^]*I am teller\.0/)
  await follower.until(/teller\.1 \| I am teller\.1\n/)
  assert.doesNotMatch(follower.output, /teller\.0/)
})

test('a follower waits for an agent that was killed, and says nothing twice', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.done(['run', '-d', 'teller.js', '--name', 'first'])
  const first = await box.probes.next()
  const follower = box.warren(['logs', '-f', '--no-prefix'])
  tell(first, { stdout: 'one\ntwo\n' })
  await follower.until(/two\n/)
  await box.killAgent(agent)
  await follower.until(/warren: the agent is gone: waiting for it to be back\n/)
  await box.agent()
  await box.done(['run', '-d', 'teller.js', '--name', 'second'])
  tell(await box.probes.next(), { stdout: 'three\n' })
  await follower.until(/three\n/)
  assert.equal(follower.text('stdout'), 'one\ntwo\nthree\n')
  follower.kill('SIGINT')
  assert.equal((await follower.ended).code, 130)
})

test('a follower that does not read holds up nobody, and is told how much was left out for it', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.done(['run', '-d', 'teller.js', '--log-size', '1G'])
  const teller = await box.probes.next()
  const follower = box.warren(['logs', '-f', 'teller', '--json'])
  tell(teller, { stdout: 'first\n' })
  await follower.until(/"first\\n"/)
  follower.streams.stdout.pause()
  tell(teller, { stdout: `${'x'.repeat(99)}\n`, times: 400_000 }) // 40 MB
  tell(teller, { stdout: 'last\n' })
  await box.until(() => box.logs('teller', '-n', '1'), ([{ data }]) => data === 'last\n')
  follower.streams.stdout.resume()
  for (let isThere = false; !isThere;) { // what is written while it is behind may be left out too
    tell(teller, { stdout: 'now\n' })
    await box.done(['version'])
    isThere = /"now\\n"/.test(follower.text('stdout'))
  }
  assert.equal((await box.done(['stop', 'teller'])).code, 0)
  const { code, stdout } = await follower.ended
  assert.equal(code, 0)
  const said = stdout.trimEnd().split('\n').map((line) => JSON.parse(line))
  const skipped = said.filter(({ type }) => type === 'skipped').reduce((sum, { lines }) => sum + lines, 0)
  // As the file has them: a piece of a line whose end did not come in time is a line of its own.
  const linesOf = (text) => text.split('\n').length - text.endsWith('\n')
  const printed = said.filter(({ type }) => type === 'output').reduce((sum, { data }) => sum + linesOf(data), 0)
  const kept = linesOf(fs.readFileSync(path.join(box.state, 'logs', 'teller.log'), 'utf8'))
  console.log(`# figure of ${kept} lines ${printed} were printed and ${skipped} left out`)
  assert.ok(skipped > 0)
  assert.equal(printed + skipped, kept)
})
