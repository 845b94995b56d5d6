// What a service asks to be done with instances that stall.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

const line = /its loop has not turned for \d+\.\d s; it runs:/

for (const [what, way, reason] of [['terminate', 'spin', /^terminated: its loop had not turned for \d+\.\d s$/],
  ['terminate', 'child', /^terminated: its loop had not turned for \d+\.\d s$/], ['kill', 'wait', /^killed: its loop had not turned for \d+\.\d s$/]])
  test(`--stall 1s:${what} ends a node in ${way} with that reason, and it is started again`, async (t) => {
    const box = await Sandbox.open(t)
    const proc = await box.stall(['--stall', `1s:${what}`])
    await box.block(0, way, 120_000)
    await proc.event('w.0', 'down')
    await proc.until(/w\.0 restarted/)
    const { lastExit, stalls } = await box.node('w.0')
    assert.match(lastExit.reason, reason)
    assert.equal(stalls, 0) // those of its present life
    if (way === 'child') return
    assert.match(JSON.stringify(lastExit), line)
    assert.match((await box.ok(['logs', 'w'])).stderr, new RegExp(`${line.source}\n.*at (spinInProgram|wait) \\(`))
  })

test('--stall 1s tells the stack once, and nothing else happens', async (t) => {
  const box = await Sandbox.open(t)
  const proc = await box.stall(['--stall', '1s'])
  await box.block(0, 'held')
  await proc.until(/at heldInProgram/)
  box.letGo()
  await proc.until(/free again/)
  await proc.until(/turns again/)
  assert.equal(proc.output.match(new RegExp(line, 'g')).length, 1)
  assert.equal((await box.node('w.0')).restarts, 0)
})

test('a policy that makes no sense is refused', async (t) => {
  const box = await Sandbox.open(t)
  for (const [value, sentence] of [['10ms', /^warren: --stall is a time like 10s or 2m, from 1s to 1h, not "10ms"\n$/], ['1', /from 1s to 1h, not "1"/], ['5s:burn', /stack, terminate or kill/], ['soon', /--stall/]]) {
    const { code, stderr } = await box.done(['run', 'stall.mjs', '--stall', value])
    assert.equal(code, 2)
    assert.match(stderr, sentence)
  }
})
