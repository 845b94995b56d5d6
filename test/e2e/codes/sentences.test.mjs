// What commands say to people: what is where, why, and what comes next.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from '../deploy/sandbox.mjs'

test('what is small is told in a unit in which it is something, and one is one', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('.warrenignore', 'ballast.bin\n')
  box.service({ instances: 1 })
  const { stdout } = await box.ok(['deploy'])
  assert.match(stdout, /^release \w+ has \d files \([\d.]+ (KiB|bytes)\); [\d.]+ (KiB|bytes) of them were new to the agent$/m)
  assert.match(stdout, /runs release 1: 1 instance of 1 service, in /)
})

test('of a node that was started cold `ps` shows the program, and why behind it', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ name: 'shop', services: { app: { entry: './app.js', nodeArgs: ['--stack-size=900'] } } })
  await box.agent()
  await box.ok(['up', '-d'])
  const [node] = await box.nodes()
  assert.ok(node.cold && node.reason, JSON.stringify(node))
  const { stdout } = await box.ok(['ps'])
  assert.ok(stdout.includes(`${box.path('app.js')} (${node.reason})`), stdout)
})
