import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox as Base } from '../config/sandbox.mjs'

const VALUE = 'correct horse battery staple'

class Sandbox extends Base {
  static async open(t) {
    const box = await super.open(t)
    box.write('teller.js', 'console.log(`has ${process.env.WORD} and ${process.env.PLAIN}.`); setInterval(() => {}, 1000)\n')
    box.service({})
    return box
  }
  service(more) {
    this.config({ name: 'shop', services: { app: { entry: './teller.js', env: { PLAIN: 'plain' }, secrets: ['WORD'], ...more } } })
  }
  async set(name, value) {
    const proc = this.warren(['secret', 'set', name])
    proc.stdin.end(value)
    return proc.ended
  }
  async names() {
    return JSON.parse((await this.ok(['secret', 'list', '--json'])).stdout).secrets.sort()
  }
  file(name) {
    return path.join(this.state, name)
  }
}

test('a service gets the value as a variable, and nothing else has it', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  assert.equal((await box.set('WORD', `${VALUE}\n`)).code, 0)
  const up = await box.ok(['up', '-d'])
  const logs = box.warren(['logs', '-f', 'app'])
  await logs.until(new RegExp(`has ${VALUE} and plain\\.`))
  const said = [up.stdout, up.stderr, agent.output]
  for (const args of [['ps', '--json'], ['ps', 'app'], ['events', '--json'], ['secret', 'list'], ['config', 'show'], ['up', '-n', '--json']])
    said.push((await box.ok(args)).stdout)
  for (const text of said) assert.ok(!text.includes(VALUE), text)
  await box.ok(['down'])
  for (const name of fs.readdirSync(box.state)) {
    const file = box.file(name)
    if (!fs.statSync(file).isFile()) continue
    assert.equal(fs.statSync(file).mode & 0o077, 0, name)
    assert.ok(!fs.readFileSync(file).includes(VALUE), `${name} has it`)
  }
})

test('it outlives the agent, and a new value comes with the next start', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.set('WORD', 'one')
  await box.ok(['up', '-d'])
  const logs = box.warren(['logs', '-f', 'app'])
  await logs.until(/has one and/)
  await box.killAgent(first)
  await box.agent()
  assert.deepEqual(await box.names(), ['WORD'])
  assert.match((await box.ok(['up', '-d'])).stdout, /= app {2}as it is/)
  await box.set('WORD', 'two')
  await box.ok(['reload', 'app'])
  await logs.until(/has two and/)
  process.kill((await box.nodes())[0].pid, 'SIGKILL')
  await logs.until(/has two and[^]*has two and/)
})

test('a service whose secret is not set does not start, and is told which', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const end = await box.done(['up', '-d'])
  assert.equal(end.code, 1)
  assert.match(end.stderr, /^warren: app needs the secret WORD, which is not set: `warren secret set WORD`\n/)
  await box.set('WORD', 'one')
  await box.ok(['up', '-d'])
  box.service({ secrets: ['WORD', 'OTHER'] })
  const change = await box.done(['up', '-d'])
  assert.equal(change.code, 1)
  assert.match(change.stderr, /app needs the secret OTHER/)
  assert.equal((await box.nodes())[0].state, 'up') // as before
  // One that is gone when an instance is started again is told too.
  await box.ok(['secret', 'rm', 'WORD'])
  process.kill((await box.nodes())[0].pid, 'SIGKILL')
  const reason = async () => (await box.nodes())[0].reason
  while (!/app needs the secret WORD, which is not set: `warren secret set WORD`/.test(await reason())) continue
})

test('without its key a store gives no secret, says so, and takes the key back', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.set('WORD', VALUE)
  first.kill('SIGTERM')
  await first.ended
  fs.renameSync(box.file('secrets.key'), box.file('elsewhere'))
  const second = await box.agent()
  assert.match(second.output, /secrets cannot be read: .*secrets\.key/)
  const up = await box.done(['up', '-d'])
  assert.equal(up.code, 1)
  assert.match(up.stderr, /secrets\.key/)
  assert.equal((await box.set('OTHER', 'x')).code, 1) // nothing is sealed under another key
  assert.ok(!fs.existsSync(box.file('secrets.key')))
  fs.renameSync(box.file('elsewhere'), box.file('secrets.key'))
  assert.equal((await box.set('OTHER', 'x')).code, 0)
  assert.deepEqual(await box.names(), ['OTHER', 'WORD'])
  await box.ok(['up', '-d'])
})

test('a sealed value that was put under another name is refused', async (t) => {
  const box = await Sandbox.open(t)
  const first = await box.agent()
  await box.set('WORD', VALUE)
  await box.set('LIKE', VALUE)
  first.kill('SIGTERM')
  await first.ended
  const bytes = fs.readFileSync(box.file('store.db'))
  const from = bytes.indexOf('secrets/LIKE'), to = bytes.indexOf('secrets/WORD')
  assert.ok(from > 0 && to > 0)
  bytes.write('secrets/LIKF', from)
  fs.writeFileSync(box.file('store.db'), bytes)
  const second = await box.agent()
  assert.match(second.output, /secrets cannot be read: /)
})

test('what cannot be is refused with a sentence, and changes nothing', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  for (const name of ['', '1X', 'A-B', 'A=B', 'A B', '../x', 'NODE_OPTIONS', 'WARREN_DIR', 'x'.repeat(64), '\u00e9'])
    assert.equal((await box.set(name, 'x')).code, 2, name)
  const large = await box.set('LARGE', 'x'.repeat((32 << 10) + 1))
  assert.deepEqual([large.code, large.stderr], [2, 'warren: the value of a secret has at most 32 KiB\n'])
  assert.equal((await box.set('ZERO', 'a\0b')).code, 2)
  const word = await box.done(['secret', 'set', 'WORD', VALUE])
  assert.equal(word.code, 2)
  assert.match(word.stderr, /is read from stdin/)
  const none = await box.done(['secret', 'rm', 'NONE'])
  assert.deepEqual([none.code, none.stderr], [3, 'warren: there is no secret NONE (`warren secret list`)\n'])
  assert.deepEqual(await box.names(), [])
  assert.equal((await box.set('LARGE', 'x'.repeat(32 << 10))).code, 0)
  assert.equal((await box.set('EMPTY', '')).code, 0)
  assert.deepEqual(await box.names(), ['EMPTY', 'LARGE'])
})

test('with no agent running one is brought for it', async (t) => {
  const box = await Sandbox.open(t)
  assert.equal((await box.set('WORD', 'one')).code, 0)
  await box.ok(['up', '-d'])
  assert.deepEqual(await box.names(), ['WORD'])
  await box.ok(['down']) // and that agent goes
})
