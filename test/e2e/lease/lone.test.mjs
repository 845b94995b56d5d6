// One host without etcd: leases that are exclusive on it. What mesh.lease() takes and answers: e2e/package/leases.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { Resource } from './resource.mjs'
import { Host } from './stage.mjs'
import { freePort } from '../ports.mjs'

async function host(t) {
  const ada = await Host.open(t)
  await ada.boot()
  return ada
}

// Two holders on one host; the first has it.
async function stage(t, ...wishes) {
  const ada = await host(t)
  const resource = await Resource.open(t, path.join(ada.dir, 'resource.sock'))
  const pids = []
  for (const [i, wish] of wishes.entries()) {
    pids.push(await ada.holder(resource, ['one', 'two'][i], wish))
    if (i === 0) await resource.write('the first has it')
  }
  return { ada, resource, pids }
}
const of = (name) => ({ who }) => who === name

const JOINED = "import { join } from 'warren'; import assert from 'node:assert/strict'; const mesh = await join()\n"

test('a holder that dies makes room at once', async (t) => {
  const { resource, pids } = await stage(t, { TTL: '1h' }, { TTL: '1h' })
  process.kill(pids[0], 'SIGKILL')
  await resource.write('the other has it', of('two'))
  resource.mustBeExclusive()
})

test('a holder that stands still loses it, is not valid when it goes on, and hears why', async (t) => {
  const { resource, pids } = await stage(t, {}, {})
  process.kill(pids[0], 'SIGSTOP')
  await resource.write('the other has it', of('two'))
  const from = resource.said.length
  process.kill(pids[0], 'SIGCONT')
  assert.equal((await resource.says('lost', 'one', from)).code, 'ERR_WARREN_LEASE_LOST')
  resource.mustBeExclusive()
})

test('an agent that stands still: the holder is not valid after its time, and one is when it goes on', async (t) => {
  const { ada, resource } = await stage(t, {}, {})
  ada.agentProcess.kill('SIGSTOP')
  await resource.says('lost', 'one')
  const from = resource.said.length
  ada.agentProcess.kill('SIGCONT')
  await resource.until('somebody has it', ({ token, says }) => token !== undefined && says === undefined, from)
  resource.mustBeExclusive()
})

test('an agent that is killed: the next one keeps the lease with its node', async (t) => {
  const { ada, resource } = await stage(t, { TTL: '20s' }, { TTL: '20s' })
  await ada.killBoot()
  await ada.boot()
  const booted = process.hrtime.bigint()
  await resource.write('it lasts', ({ at }) => BigInt(at) > booted + 21_000_000_000n)
  assert.deepEqual([...resource.spans.values()].map(({ who }) => who), ['one'])
})

test('in a cluster a store of one host promises nothing, and says what would', async (t) => {
  const ada = await host(t)
  const address = `127.0.0.1:${await freePort()}`
  await ada.ok(['init', '--name', 'ada', '--listen', address, '--advertise', address])
  await ada.script(`${JOINED}
    for (const wait of [false, true]) await assert.rejects(mesh.lease('job', { wait }), { code: 'ERR_WARREN_NO_QUORUM', message: /in a cluster and its store, sqlite:.* is its own: .*--store etcd/ })
    await assert.rejects(mesh.serve('svc', { f: () => 1 }, { exclusive: true }), { code: 'ERR_WARREN_NO_QUORUM' })
    await mesh.close()`)
})

test('a store that does not answer is told to who does not wait, or not for so long', async (t) => {
  const ada = await Host.open(t)
  await ada.boot('etcd://127.0.0.1:1/x')
  await ada.script(`${JOINED}
    await assert.rejects(mesh.lease('job', { wait: false }), { code: 'ERR_WARREN_NO_QUORUM', message: /etcd at 127.0.0.1:1 cannot be asked/ })
    await assert.rejects(mesh.lease('job', { wait: 10_000 }), { code: 'ERR_WARREN_NO_QUORUM', message: /etcd at 127.0.0.1:1 cannot be asked.*waited 10000 ms/ })
    await mesh.close()`)
})
