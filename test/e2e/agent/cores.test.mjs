// What a crash leaves on the disk. The keys of a cluster are in the agent's memory and must not be in a core file of it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, WARREN } from './harness.mjs'

const withCores = (box, command) =>
  box.start('sh', ['-c', `ulimit -c unlimited; echo ready; exec ${command}`], { cwd: box.dir })
const cores = (dir) => fs.readdirSync(dir).filter((name) => name.startsWith('core'))

test('an agent that crashes leaves no core file', async (t) => {
  const box = await Sandbox.open(t)
  const other = withCores(box, 'sleep 600')
  await other.until(/ready/)
  while (fs.readFileSync(`/proc/${other.pid}/comm`, 'utf8') !== 'sleep\n') await new Promise(setImmediate)
  other.kill('SIGABRT')
  assert.equal((await other.ended).signal, 'SIGABRT')
  if (cores(box.dir).length === 0) return t.skip('here no program leaves a core file in its directory')
  for (const name of cores(box.dir)) fs.rmSync(path.join(box.dir, name))

  const agent = withCores(box, `${WARREN} agent`)
  await agent.until(/listens on/)
  assert.equal(fs.readlinkSync(`/proc/${agent.pid}/cwd`), box.dir)
  agent.kill('SIGABRT')
  assert.equal((await agent.ended).signal, 'SIGABRT')
  assert.deepEqual(cores(box.dir), [])
})
