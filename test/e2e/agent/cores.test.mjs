// What a crash leaves on the disk. The keys of a cluster are in the agent's memory and must not be in a core file of it,
// nor the token in one of `warren join`.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, WARREN } from './harness.mjs'

const withCores = (box, command) =>
  box.start('sh', ['-c', `ulimit -c unlimited; echo ready; exec ${command}`], { cwd: box.dir })
const cores = (dir) => fs.readdirSync(dir).filter((name) => name.startsWith('core'))

const NONE = 'here no program leaves a core file in its directory'

async function areKept(box) {
  const other = withCores(box, 'sleep 600')
  await other.until(/ready/)
  while (fs.readFileSync(`/proc/${other.pid}/comm`, 'utf8') !== 'sleep\n') await new Promise(setImmediate)
  other.kill('SIGABRT')
  assert.equal((await other.ended).signal, 'SIGABRT')
  const names = cores(box.dir)
  for (const name of names) fs.rmSync(path.join(box.dir, name))
  return names.length > 0
}

test('an agent that crashes leaves no core file', async (t) => {
  const box = await Sandbox.open(t)
  if (!(await areKept(box))) return t.skip(NONE)

  const agent = withCores(box, `${WARREN} agent`)
  await agent.until(/listens on/)
  assert.equal(fs.readlinkSync(`/proc/${agent.pid}/cwd`), box.dir)
  agent.kill('SIGABRT')
  assert.equal((await agent.ended).signal, 'SIGABRT')
  assert.deepEqual(cores(box.dir), [])
})

test('a join that crashes leaves no core file', async (t) => {
  const issuer = await Sandbox.open(t)
  const host = await Sandbox.open(t)
  if (!(await areKept(host))) return t.skip(NONE)
  const deaf = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  t.after(() => deaf.close())
  await once(deaf, 'listening')
  assert.equal((await issuer.done(['init', '--advertise', `127.0.0.1:${deaf.address().port}`])).code, 0)
  const join = withCores(host, `${WARREN} join ${(await issuer.done(['token', 'create'])).stdout.trim()}`)
  await join.until(/asks 127/)
  join.kill('SIGABRT')
  assert.equal((await join.ended).signal, 'SIGABRT')
  assert.deepEqual(cores(host.dir), [])
})
