// When an instance counts as ready, and what becomes of one that does not get there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox, ask } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

const state = ({ state, ready }) => [state, ready]

for (const way of ['mesh', 'listen', 'message'])
  test(`--ready ${way}: starting until that sign, whatever else it does`, async (t) => {
    const box = await Sandbox.open(t)
    const proc = box.run(['sign.js', '--ready', way])
    const probe = await box.probes.next()
    assert.equal(probe.variable, undefined) // nothing of this is left for its children
    assert.equal(probe.send, way === 'message' ? 'function' : 'undefined')
    for (const other of ['mesh', 'serve', 'listen'].filter((other) => other !== way))
      assert.equal((await ask(probe, `${other} ${await freePort()}`)).error, undefined)
    assert.deepEqual(state(await box.node('sign.0')), ['starting', false])
    assert.equal((await ask(probe, `${way} ${await freePort()}`)).error, undefined)
    await proc.event('sign.0', 'up')
    assert.deepEqual(state(await box.node('sign.0')), ['up', true])
  })

test('without --ready the first sign counts, and where none comes a second of life', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['sign.js', '-i', '2'])
  const [one, two] = await box.probes.take(2)
  assert.equal(one.send, 'undefined')
  assert.equal(one.connected, undefined)
  const { name } = (await box.nodes()).find((node) => node.pid === two.pid)
  const { name: silent } = (await box.nodes()).find((node) => node.pid === one.pid)
  assert.equal((await ask(two, 'serve')).error, undefined)
  await proc.event(name, 'up')
  await proc.event(silent, 'up')
})

test('a service that says when it is ready is waited for from then on', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['sign.js'])
  const first = await box.probes.next()
  assert.equal((await ask(first, 'mesh')).error, undefined)
  await proc.event('sign.0', 'up')
  first.socket.write('die\n')
  const second = await box.probes.next()
  assert.equal((await ask(second, 'serve')).error, undefined)
  assert.deepEqual(state(await box.node('sign.0')), ['starting', false])
})

test('process.send takes nothing but ready, and says so', async (t) => {
  const box = await Sandbox.open(t)
  box.run(['sign.js', '--ready', 'message'])
  const probe = await box.probes.next()
  assert.equal(probe.connected, true)
  const { code, error } = await ask(probe, 'other')
  assert.equal(code, 'ERR_WARREN_NO_RESPONDERS')
  assert.match(error, /nothing but process\.send\('ready'\)/)
})

test('what is not ready in time is killed, told as that, and started again', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.run(['sign.js', '--ready', 'mesh', '--start-timeout', '300ms'])
  const first = await box.probes.next()
  const [line] = await proc.until(/^.*is killed.*$/m)
  assert.match(JSON.parse(line).text, /^sign\.0 is killed: it was not ready within 300 ms \(mesh\.ready\(\) was not called\)$/)
  await first.gone
  assert.match((await proc.event('sign.0', 'down')).text, /^sign\.0 crashed \(not ready within 300 ms\), restarting in \d+ ms$/)
  await box.probes.next()
})

test('a time-out for a start without a sign to wait for is refused', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stderr } = await box.done(['run', 'probe.js', '--start-timeout', '5s'])
  assert.equal(code, 2)
  assert.match(stderr, /--ready mesh/)
  const other = await box.done(['run', 'probe.js', '--ready', 'mehs'])
  assert.equal(other.code, 2)
  assert.match(other.stderr, /did you mean mesh\?/)
})
