// Two hosts on one etcd, with processes that stand still, die and come back. At most one holder is valid at any moment, by the one
// clock of this machine, and tokens grow.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { Etcd } from './etcd.mjs'
import { Resource } from './resource.mjs'
import { Host } from './stage.mjs'

const FOREVER = '1h' // whatever ends before was not waited for

// `wish` of each holder, in the order in which they come.
async function stage(t, ...wishes) {
  const [ada, bob] = [await Host.open(t), await Host.open(t)]
  const etcd = await Etcd.start(ada)
  const resource = await Resource.open(t, path.join(ada.dir, 'resource.sock'))
  const hosts = [ada, bob]
  for (const host of hosts) await host.boot(etcd.store)
  const pids = []
  for (const [i, wish] of wishes.entries()) {
    pids.push(await hosts[i].holder(resource, hosts[i] === ada ? 'ada' : 'bob', wish))
    if (i === 0) await resource.write('the first has it', ({ who }) => who === 'ada')
  }
  return { ada, bob, etcd, resource, pids }
}
const of = (name) => ({ who }) => who === name

test('it goes from host to host when it is given back', async (t) => {
  const { resource } = await stage(t, { TURNS: '5', TTL: FOREVER }, { TURNS: '5', TTL: FOREVER })
  const turns = (name) => [...resource.spans.values()].filter(({ who }) => who === name).length
  await resource.until('each has had it five times', () => turns('ada') >= 5 && turns('bob') >= 5)
  resource.mustBeExclusive()
  assert.equal(resource.refused.length, 0)
})

test('a holder that dies makes room at once', async (t) => {
  const { resource, pids } = await stage(t, { TTL: FOREVER }, { TTL: FOREVER })
  process.kill(pids[0], 'SIGKILL')
  await resource.write('the other has it', of('bob'))
  resource.mustBeExclusive()
})

test('a holder that stands still is not valid when another has it, and finds out', async (t) => {
  const { resource, pids } = await stage(t, {}, {})
  process.kill(pids[0], 'SIGSTOP')
  await resource.write('the other has it', of('bob'))
  const from = resource.said.length
  process.kill(pids[0], 'SIGCONT')
  const lost = await resource.says('lost', 'ada', from)
  assert.equal(lost.code, 'ERR_WARREN_LEASE_LOST')
  process.kill(pids[1], 'SIGKILL')
  await resource.write('the first has it again', of('ada'))
  resource.mustBeExclusive()
})

test('a holder that stands still for a moment keeps it', async (t) => {
  const { resource, pids } = await stage(t, { TTL: FOREVER }, { TTL: FOREVER })
  process.kill(pids[0], 'SIGSTOP')
  process.kill(pids[0], 'SIGCONT')
  await resource.write('it goes on', of('ada'))
  assert.equal(resource.spans.size, 1)
})

test('the agent of the holder stands still: its holder knows before another has it', async (t) => {
  const { ada, resource } = await stage(t, {}, {})
  ada.agentProcess.kill('SIGSTOP')
  await resource.says('lost', 'ada')
  await resource.write('the other has it', of('bob'))
  ada.agentProcess.kill('SIGCONT')
  await resource.write('the other still has it', of('bob'))
  resource.mustBeExclusive()
})

test('the agent of the holder dies, and nobody comes: it ends by its time', async (t) => {
  const { ada, resource } = await stage(t, {}, {})
  await ada.killBoot()
  await resource.says('lost', 'ada')
  await resource.write('the other has it', of('bob'))
  resource.mustBeExclusive()
  await ada.boot()
})

test('another agent takes the lease over with its node, and the token stays', async (t) => {
  const { ada, resource } = await stage(t, { TTL: '20s' }, { TTL: '20s' })
  await ada.killBoot()
  await ada.boot()
  await resource.write('it goes on', of('ada'))
  await ada.ok(['agent', 'restart'])
  const restarted = process.hrtime.bigint()
  const longer = 21_000_000_000n // than any agent before could have made it last
  await resource.write('it lasts', ({ who, at }) => who === 'ada' && BigInt(at) > restarted + longer)
  assert.deepEqual([...resource.spans.values()].map(({ who }) => who), ['ada'])
})

test('etcd stands still: nobody is valid after the time, and then one is', async (t) => {
  const { etcd, resource } = await stage(t, {}, {})
  etcd.pause()
  await resource.says('lost', 'ada')
  const from = resource.said.length
  etcd.resume()
  await resource.until('somebody has it', ({ token, says }) => token !== undefined && says === undefined, from)
  resource.mustBeExclusive()
})

test('etcd dies and comes back: whoever is valid is the only one', async (t) => {
  const { etcd, resource } = await stage(t, {}, {})
  for (let i = 0; i < 3; i++) {
    await etcd.kill()
    await etcd.again()
    await resource.write('somebody has it')
  }
  resource.mustBeExclusive()
})

test('who stops its agent gives back at once what its nodes have', async (t) => {
  const { ada, resource } = await stage(t, { TTL: FOREVER }, { TTL: FOREVER })
  await ada.ok(['agent', '--stop'])
  await resource.write('the other has it', of('bob'))
  resource.mustBeExclusive()
})
