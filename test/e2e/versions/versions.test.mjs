import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Sandbox, tell } from '../health/sandbox.mjs'

async function open(t) {
  const box = await Sandbox.open(t)
  for (const name of ['quote.mjs', 'caller.mjs']) box.write(name, fs.readFileSync(new URL(`programs/${name}`, import.meta.url)))
  await box.agent()
  await box.ok(['run', '-d', 'caller.mjs', '--ready', 'mesh', '--name', 'caller'])
  await box.untilNode('caller.0', ({ ready }) => ready)
  box.ask = async (version) => JSON.parse((await box.ok(['call', 'ask', 'price', ...(version ? [JSON.stringify(version)] : [])])).stdout)
  return box
}

const nobody = (version, there) =>
  ({ code: 'ERR_WARREN_NO_RESPONDERS', message: `quote.price: nobody serves version ${version} of it (there are ${there})`, delivered: 'no' })

test('while a new release takes the place of an old one, callers of both reach what fits them', async (t) => {
  const box = await open(t)
  const release = (env) => box.config({ services: { quote: {
    entry: './quote.mjs', passEnv: ['PROBE'], instances: 2, env, update: { parallel: 1 },
    health: { ready: 'mesh', call: 'quote.health', interval: '100ms', timeout: '2m' },
  } } })
  release({ VERSION: '1.4.0' })
  box.write('quote.mjs', `${fs.readFileSync(box.path('quote.mjs'))}mesh.ready()\n`)
  await box.up()
  await box.probes.take(2)
  assert.equal(await box.ask('^1'), '1.4.0')
  assert.deepEqual(await box.ask('2'), nobody('2', '1.4.0'))

  release({ VERSION: '2.0.0', FIRST: 'ill' })
  const up = box.done(['up', '-d'])
  const first = await box.probes.next()
  assert.equal((await box.ask('2')).code, 'ERR_WARREN_NO_RESPONDERS') // it is there, and not well yet
  assert.equal(await box.ask('^1'), '1.4.0')
  await tell(first, 'well')
  const second = await box.probes.next() // so the first one has taken a place
  for (let i = 0; i < 5; i++) assert.deepEqual([await box.ask('^1.2'), await box.ask('2.0')], ['1.4.0', '2.0.0'])
  const { message } = await box.ask('1.5')
  assert.match(message, /^quote\.price: nobody serves version 1\.5 of it \(there are (1\.4\.0, 2\.0\.0|2\.0\.0, 1\.4\.0)\)$/)
  await tell(second, 'well')
  assert.equal((await up).code, 0)
  assert.deepEqual(await box.ask('^1'), nobody('^1', '2.0.0'))
  assert.equal(await box.ask('^2'), '2.0.0')
  assert.equal(await box.ask(), '2.0.0') // who names none gets any
})

test('a version may be a tag of the whole node, and one that serves without fits no caller that names one', async (t) => {
  const box = await open(t)
  await box.ok(['run', '-d', 'quote.mjs', '--name', 'plain'])
  await box.probes.next()
  assert.equal(await box.ask(), 'none')
  assert.deepEqual(await box.ask('2'), nobody('2', 'none'))
  await box.ok(['run', '-d', 'quote.mjs', '--name', 'tagged', '--tag', 'version=2.3.4'])
  await box.probes.next()
  assert.equal(await box.ask('^2.3'), 'none') // its own word for it: it does not know of its tag
  assert.deepEqual(await box.ask('^2.4'), nobody('^2.4', '2.3.4'))
})

test('what is no version is refused where it is said', async (t) => {
  const box = await open(t)
  assert.match((await box.ask('latest')).message, /^version must be a text like '2', '2\.1', '2\.1\.0' or '\^2\.1'$/)
  await box.ok(['run', '-d', 'quote.mjs', '--name', 'odd'], { env: { VERSION: '2.1' } })
  const node = await box.untilNode('odd.0', ({ state }) => state === 'failed')
  assert.match(node.lastExit.stderr.join('\n'), /TypeError: version must be a text like '2\.1\.0' or '2\.1\.0-rc\.1'/)
})
