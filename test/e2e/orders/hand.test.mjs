// What was deployed runs as it was ordered; what people at its host may do with it all the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from '../config/sandbox.mjs'

// Each start leaves a line: its release.
const APP = `const fs = require('fs')
fs.appendFileSync(process.env.STARTS, process.env.WARREN_RELEASE + '\\n')
setInterval(() => {}, 1000)
process.send('ready')\n`

async function open(t) {
  const box = await Sandbox.open(t)
  box.write('app.js', APP)
  box.config({ name: 'shop', services: { api: { entry: './app.js', instances: 2, env: { STARTS: `${box.dir}/starts` },
    health: { ready: 'message', timeout: '60s' }, update: { settle: '100ms', deadline: '60s' } } } })
  box.agentProc = await box.agent()
  await box.ok(['deploy'])
  return box
}
const pids = async (box) => (await box.nodes()).filter(({ state }) => state === 'up').map(({ name, pid }) => `${name} ${pid}`)

test('what was deployed is not stopped, scaled or changed by hand: what does it is said', async (t) => {
  const box = await open(t)
  const before = await pids(box)
  for (const target of ['api', 'api.1', 'all']) {
    const end = await box.done(['stop', target])
    assert.equal(end.code, 1, target + end.stderr)
    assert.match(end.stderr, /api was deployed with shop, and is not stopped by hand: `warren down --project shop` does it\n/)
  }
  assert.deepEqual(await pids(box), before)
  await box.ok(['down', '--project', 'shop'])
  assert.deepEqual(await pids(box), [])
})

test('it is restarted and reloaded by hand, and stays what was deployed', async (t) => {
  const box = await open(t)
  const before = await pids(box)
  await box.ok(['restart', 'api.0'])
  const restarted = await pids(box)
  assert.notEqual(restarted[0], before[0])
  assert.equal(restarted[1], before[1])
  await box.ok(['reload', 'api'])
  const reloaded = await pids(box)
  assert.equal(reloaded.length, 2)
  assert.ok(reloaded.every((one) => !restarted.includes(one)))
  await box.ok(['deploy', '--note', 'the same again'])
})

test('an agent that is killed is followed by one that starts nothing again', async (t) => {
  const box = await open(t)
  const before = await pids(box)
  await box.killAgent(box.agentProc)
  box.agentProc = await box.agent()
  assert.deepEqual(await pids(box), before)
  box.write('more.js', '// another release\n')
  await box.ok(['deploy'])
  const after = await pids(box)
  assert.equal(after.length, 2)
  assert.ok(after.every((one) => !before.includes(one)))
})
