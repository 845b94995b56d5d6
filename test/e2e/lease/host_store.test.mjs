// The store of one host of the cluster (--store host:ada), in network namespaces: the same leases as with etcd, through cuts and
// through the death of the agent that has it.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { Net, Host as NetHost, skip } from '../hosts/net.mjs'
import { Resource } from './resource.mjs'
import { Host } from './stage.mjs'

const PORT = 7400

for (const name of ['boot', 'killBoot', 'ok', 'holder', 'script']) NetHost.prototype[name] = Host.prototype[name]

// The first has the store; `stores`: what the others are told, if not that.
async function cluster(t, names, stores = {}) {
  const net = await Net.open(t, names)
  const [first, ...others] = net.hosts
  const resource = await Resource.open(t, path.join(first.dir, 'resource.sock'))
  await first.ok(['init', '--name', first.name, '--advertise', `${first.address}:${PORT}`])
  await first.boot(`host:${first.name}`)
  for (const host of others) {
    const { token } = JSON.parse((await first.ok(['token', 'create', '--json'])).stdout)
    await host.ok(['join', token, '--name', host.name, '--advertise', `${host.address}:${PORT}`])
    await host.boot(stores[host.name] ?? `host:${first.name}`)
  }
  return { net, hosts: net.hosts, resource }
}

// What `warren doctor` says of the store, once it says that.
async function storeSays(host, pattern) {
  for (;;) {
    const { stdout } = await host.done(['doctor', '--json'])
    const { text } = JSON.parse(stdout).checks.find(({ check }) => check === 'store')
    if (pattern.test(text)) return text
  }
}

test('hosts that have the store of one of them never hold a lease at once, through cuts of their links to it', { skip }, async (t) => {
  const { net, hosts, resource } = await cluster(t, ['ada', 'bob', 'cyd'])
  const [ada, ...others] = hosts
  for (const host of others) await host.holder(resource, host.name)
  for (let i = 0; i < 2; i++) {
    const { who } = await resource.write('somebody has it')
    const from = resource.said.length
    const [holder, other] = others[0].name === who ? others : [...others].reverse()
    await net.cut(holder, ada)
    await resource.says('lost', holder.name, from)
    await resource.write('the other has it', (line) => line.who === other.name)
    await net.heal()
    await resource.write('the other still has it', (line) => line.who === other.name)
  }
  await ada.holder(resource, 'ada', { TURNS: '100' }) // which has it by the same way
  await net.isolate(ada) // of the others one has it, and one may be before ada
  await resource.write('ada has it', (line) => line.who === 'ada')
  await net.heal()
  await resource.write('somebody else has it', (line) => line.who !== 'ada')
  resource.mustBeExclusive()
  assert.equal(resource.refused.length, 0)
})

test('a lease outlives the agent of the host that has the store', { skip }, async (t) => {
  const { hosts: [ada, bob], resource } = await cluster(t, ['ada', 'bob'])
  await bob.holder(resource, 'bob', { TTL: '30s' })
  const { token } = await resource.write('bob has it')
  await ada.killBoot()
  await storeSays(bob, /the store of host ada cannot be asked: /)
  const killed = process.hrtime.bigint()
  await ada.boot()
  await storeSays(bob, /^host:ada: it answers$/)
  // Longer than it could be held without one word from the store.
  const later = await resource.write('it is held on', (line) => BigInt(line.at) > killed + 30_000_000_000n)
  assert.equal(later.token, token)
  assert.equal(resource.spans.size, 1)
})

test('while the store is away who asks hears why at once or soon; a host that keeps its store to itself says so', { skip }, async (t) => {
  const { hosts: [ada, bob, cyd] } = await cluster(t, ['ada', 'bob', 'cyd'], { cyd: 'host:bob' })
  const ask = `import { join } from 'warren'; const mesh = await join()
    console.log(await mesh.lease('job', { wait: false }).then(({ token }) => typeof token, (err) => err.code)); process.exit()`
  assert.equal((await bob.script(ask)).trim(), 'bigint')
  await storeSays(cyd, /cannot be asked: it keeps its store to itself: start all agents of the cluster, that of bob too, with --store host:bob/)
  assert.equal((await cyd.script(ask)).trim(), 'ERR_WARREN_NO_QUORUM')
  await ada.killBoot()
  await storeSays(bob, /the store of host ada cannot be asked: /)
  assert.equal((await bob.script(ask)).trim(), 'ERR_WARREN_NO_QUORUM')
})
