// A disk that is full, a real one: a file system of 512 KiB that the agent alone sees.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { WARREN } from '../agent/harness.mjs'
import { dataOf, Sandbox, tell } from './sandbox.mjs'

const LINE = `${'x'.repeat(99)}\n`
const OWN_MOUNTS = ['--mount', '--propagation', 'private', 'sh', '-c']

test('a full disk is told once, its nodes run on, and what was written before and comes after is kept', async (t) => {
  const can = spawnSync('unshare', [...OWN_MOUNTS, 'mount -t tmpfs none /mnt'])
  if (can.status !== 0) return t.skip(`no file system can be mounted here: ${can.error?.message ?? can.stderr}`.trim())
  const box = await Sandbox.open(t)
  const logs = path.join(box.state, 'logs')
  fs.mkdirSync(logs, { recursive: true, mode: 0o700 })
  fs.chmodSync(box.state, 0o700)
  const agent = box.start('unshare', [...OWN_MOUNTS, 'mount -t tmpfs -o size=512k,mode=700 none "$1" && exec "$2" agent', 'sh', logs, WARREN])
  await agent.until(/is ready after/)
  const seen = path.join(`/proc/${agent.pid}/root`, logs) // the same process: unshare and sh have become the agent
  await box.done(['run', '-d', 'teller.js'])
  const teller = await box.probes.next()
  tell(teller, { stdout: 'before\n' })
  tell(teller, { stdout: LINE, times: 10_000 })
  const [node] = await box.until(() => box.nodes(), ([{ logLinesLost }]) => logLinesLost > 0)
  assert.deepEqual([node.state, node.pid, node.restarts], ['up', teller.pid, 0])
  assert.match(fs.readFileSync(path.join(seen, 'teller.log'), 'utf8'), /^\S+ teller\.0 out: before\n/)
  fs.truncateSync(path.join(seen, 'teller.log'), fs.readFileSync(path.join(seen, 'teller.log'), 'utf8').indexOf('\n') + 1) // somebody makes room
  const [, lost] = await box.until(async () => {
    tell(teller, { stdout: 'after\n' })
    await box.done(['version'])
    return agent.output.match(/teller\.log is written again: (\d+) lines were lost/)
  }, Boolean)
  assert.equal(agent.output.match(/cannot write .*teller\.log: No space left on device \(nodes run on, their output is not kept\)/g).length, 1)
  await box.until(() => box.logs('teller', '-n', '5'), (pieces) => pieces.some(({ data }) => data === 'after\n'))
  const text = fs.readFileSync(path.join(seen, 'teller.log'), 'utf8')
  assert.match(text, new RegExp(`^\\S+ teller\\.0 out: before\\n\\S+ teller err: ${lost} lines are missing here: No space left on device\\n`))
  assert.ok(text.split('\n').every((line) => line === '' || /^\S{24} teller(\.0)? (out|err): /.test(line)), 'no torn line')
  assert.ok(dataOf(await box.logs('teller', '-n', '10000')).toString().startsWith('before\n'))
  console.log(`# figure ${lost} of 10,001 lines were lost while a disk of 512 KiB was full`)
})
