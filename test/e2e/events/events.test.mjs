import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox as Base } from '../config/sandbox.mjs'

class Sandbox extends Base {
  get file() {
    return path.join(this.state, 'events.jsonl')
  }
  async events(...args) {
    const { stdout } = await this.ok(['events', '--json', ...args])
    return stdout === '' ? [] : stdout.trim().split('\n').map((line) => JSON.parse(line))
  }
}
const types = (events) => events.map(({ type, service }) => service === undefined ? type : `${type} ${service}`)

test('what was done is kept with who did it, and what became of it', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('bad.js', 'process.exit(3)\n')
  box.config({ name: 'shop', services: { app: { entry: './app.js' } } })
  await box.ok(['up', '-d'])
  box.config({ name: 'shop', services: { app: { entry: './app.js', env: { A: 1 } } } })
  await box.ok(['up', '-d'])
  await box.ok(['scale', 'app=2'])
  await box.done(['run', 'bad.js'])
  await box.ok(['restart', 'app.0'])
  await box.ok(['down'])
  const events = await box.events()
  const asked = events.filter(({ by }) => by !== undefined)
  assert.deepEqual(types(asked), ['run app', 'changed app', 'scale app', 'run bad', 'restart app', 'stop app'])
  for (const { uid, by, pid } of asked) {
    assert.deepEqual({ uid, by }, { uid: os.userInfo().uid, by: os.userInfo().username })
    assert.ok(pid > 1)
  }
  assert.deepEqual(types(events.filter(({ service }) => service === 'bad')), ['run bad', 'failed bad', 'over bad'])
  assert.deepEqual([...new Set(events.filter(({ service }) => service === 'app').map(({ project }) => project))], ['shop'])
  assert.equal(events[0].type, 'agent-started')
  const kept = fs.readFileSync(box.file, 'utf8').trim().split('\n').map((line) => JSON.parse(line))
  assert.ok(kept.every(({ by }) => by === undefined)) // the name is asked for by who reads
  const text = (await box.ok(['events', '-n', '1'])).stdout
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}app is over \(exit code 143\)\n$/)
})

test('they are found by service, node, project and time, with no agent and after it', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  box.config({ name: 'shop', services: { one: { entry: './app.js' }, two: { entry: './app.js' } } })
  await box.ok(['up', '-d'])
  process.kill((await box.nodes())[0].pid, 'SIGKILL')
  const follower = box.warren(['events', '-f'])
  await follower.until(/one\.0 crashed/)
  agent.kill('SIGTERM')
  await agent.ended
  assert.deepEqual(types(await box.events('two')).slice(0, 1), ['run two'])
  assert.deepEqual(types(await box.events('one.0')).slice(0, 1), ['crashed one'])
  assert.ok((await box.events('shop')).every(({ project }) => project === 'shop'))
  assert.deepEqual(await box.events('one', '--since', '2100-01-01T00:00:00Z'), [])
  assert.equal((await box.done(['events', 'none'])).code, 3)
  assert.deepEqual(await box.events('--since', '2100-01-01T00:00:00Z'), [])
  assert.equal((await box.events('--since', '1h')).length, (await box.events()).length)
  await box.agent()
  assert.equal((await box.events()).filter(({ type }) => type === 'agent-started').length, 2)
})

test('a user who has no name is its number, and what is no user is nobody', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  for (const uid of [4000000001, 2 ** 32, -1, 'x', null])
    fs.appendFileSync(box.file, JSON.stringify({ at: '2026-01-01T00:00:00.000Z', type: 'run', uid, pid: 5, text: 'it ran' }) + '\n')
  assert.deepEqual((await box.events('-n', '5')).map(({ by }) => by), ['4000000001', undefined, undefined, undefined, undefined])
  assert.match((await box.ok(['events', '-n', '5'])).stdout, /^2026-01-01T00:00:00.000Z {2}it ran {2}\(4000000001, pid 5\)\n(\S+ {2}it ran\n){4}$/)
})

test('--since takes in the very moment, and leaves out what has no time', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  agent.kill('SIGTERM')
  await agent.ended
  const at = ['2026-01-01T00:00:00.999Z', '2026-01-01T00:00:01.000Z', '2026-01-01T00:00:01.001Z', undefined]
  fs.writeFileSync(box.file, at.map((at) => JSON.stringify({ at, type: 'run', text: 'it ran' }) + '\n').join(''))
  assert.deepEqual((await box.events('--since', '2026-01-01T00:00:01Z')).map(({ at }) => at), at.slice(1, 3))
})

test('a full file is put aside, and who follows misses nothing', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const filler = JSON.stringify({ at: '2020-01-01T00:00:00.000Z', type: 'run', service: 'old', text: 'x'.repeat(4000) }) + '\n'
  fs.appendFileSync(box.file, (filler.repeat((4 << 20) / filler.length) + ' '.repeat(4000) + '\n').slice(0, (4 << 20) - 100) + '\n')
  const follower = box.warren(['events', '-f', 'app'])
  for (let i = 0; i < 3; i++) {
    await box.ok(['run', '-d', '--name', 'app', 'app.js'])
    await box.ok(['stop', 'app'])
    await follower.until(new RegExp(`(app is over[^]*){${i + 1}}`))
  }
  assert.ok(fs.statSync(box.file).size < 1 << 20)
  assert.ok(fs.existsSync(`${box.file}.1`))
  assert.equal((await box.events('app')).filter(({ type }) => type === 'run').length, 3)
  follower.kill('SIGINT')
  assert.equal((await follower.ended).code, 130)
})

test('what is no event is left out, and what cannot be written is told once and stops nothing', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  await box.ok(['run', '-d', '--name', 'app', 'app.js'])
  fs.appendFileSync(box.file, 'no json\n[1]\n"text"\n{"at":5,"text":{}}\n' + '{'.repeat(5000) + '\n\0\0\xff\n' + 'y'.repeat(100000) + '\n')
  await box.ok(['stop', 'app'])
  assert.deepEqual(types(await box.events('app')).filter((type) => type !== 'ended app'), ['run app', 'stop app', 'over app'])
  assert.equal((await box.done(['events'])).code, 0)
  fs.rmSync(box.file)
  const elsewhere = path.join(box.dir, 'elsewhere')
  fs.symlinkSync(elsewhere, box.file)
  await box.ok(['run', '-d', '--name', 'app', 'app.js'])
  await box.ok(['stop', 'app'])
  assert.equal(agent.output.match(/cannot write \S+events\.jsonl/g).length, 1)
  assert.ok(!fs.existsSync(elsewhere))
})
