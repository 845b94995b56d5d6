// Hosts of one cluster and an etcd, in network namespaces: what is cut off from the store loses its leases, and knows it first.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Net, Host as NetHost, skip } from '../hosts/net.mjs'
import { Etcd } from './etcd.mjs'
import { Resource } from './resource.mjs'
import { Host } from './stage.mjs'

const PORT = 7400

// The methods of stage.mjs's Host, for hosts with a namespace of their own.
for (const name of ['boot', 'killBoot', 'ok', 'holder', 'script']) NetHost.prototype[name] = Host.prototype[name]

async function cluster(t, names) {
  const net = await Net.open(t, [...names, 'store'])
  const hosts = net.hosts.slice(0, -1)
  const store = net.hosts.at(-1)
  const etcd = await Etcd.start(store, store.address)
  const resource = await Resource.open(t, path.join(store.dir, 'resource.sock'))
  const [first, ...others] = hosts
  await first.ok(['init', '--name', first.name, '--advertise', `${first.address}:${PORT}`])
  await first.boot(etcd.store)
  for (const host of others) {
    const { token } = JSON.parse((await first.ok(['token', 'create', '--json'])).stdout)
    await host.ok(['join', token, '--name', host.name, '--advertise', `${host.address}:${PORT}`])
    await host.boot(etcd.store)
  }
  return { net, hosts, store, etcd, resource }
}

test('a host that is cut off from etcd: its holder knows, then another host has it', { skip }, async (t) => {
  const { net, hosts, store, resource } = await cluster(t, ['ada', 'bob'])
  for (const host of hosts) await host.holder(resource, host.name)
  for (let i = 0; i < 2; i++) {
    const { who } = await resource.write('somebody has it')
    const from = resource.said.length
    const [holder, other] = hosts[0].name === who ? hosts : [...hosts].reverse()
    await net.cut(holder, store)
    await resource.says('lost', holder.name, from)
    await resource.write('the other has it', (line) => line.who === other.name)
    await net.heal()
    await resource.write('the other still has it', (line) => line.who === other.name)
  }
  const { who } = await resource.write('somebody has it')
  const from = resource.said.length
  await net.isolate(store) // nobody hears it
  await resource.says('lost', who, from)
  await net.heal()
  await resource.write('somebody has it')
  resource.mustBeExclusive()
})

test('one that hears and is not heard, lost packets, and hosts that hear each other no more', { skip }, async (t) => {
  const { net, hosts, store, resource } = await cluster(t, ['ada', 'bob', 'cyd'])
  for (const host of hosts) await host.holder(resource, host.name, { TURNS: '100' })
  const faults = [
    () => net.cutOneWay(hosts[0], store),
    () => net.cutOneWay(store, hosts[1]),
    () => net.split([hosts[0]], [hosts[1], hosts[2]]), // the store hears all: nothing changes
    () => net.lose(30),
  ]
  for (const fault of faults) {
    await resource.write('somebody has it')
    const tokens = resource.spans.size
    await fault()
    await resource.until('it goes on', () => resource.spans.size > tokens + 1)
    await net.heal()
  }
  await resource.until('all have it again', (() => {
    const seen = new Set()
    return ({ who, token, says }) => {
      if (token !== undefined && says === undefined) seen.add(who)
      return seen.size === 3
    }
  })(), resource.said.length)
  resource.mustBeExclusive()
  assert.equal(resource.refused.length, 0)
})

test('nodes of two hosts find the one that serves, wherever it is', { skip }, async (t) => {
  const { hosts: [ada, bob] } = await cluster(t, ['ada', 'bob'])
  const clock = fileURLToPath(new URL('programs/clock.mjs', import.meta.url))
  for (const host of [ada, bob]) await host.ok(['run', '-d', clock, '--name', 'clock', '--restart', 'never'], { env: { TTL: '1h' } })
  const ask = `import { join } from 'warren'; import assert from 'node:assert/strict'; const mesh = await join(); await mesh.available('clock')
    const { pid, token } = await mesh.client('clock').who(undefined, { retries: 100 })
    console.log(JSON.stringify({ pid, token: String(token), instances: mesh.instances('clock').length })); await mesh.close()`
  const answers = [JSON.parse(await ada.script(ask)), JSON.parse(await bob.script(ask))]
  assert.deepEqual(answers[0], answers[1])
  assert.equal(answers[0].instances, 1)
})
