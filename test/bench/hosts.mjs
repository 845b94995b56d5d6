// What lies between hosts: throughput of an encrypted link beside an unencrypted one and beside libsodium alone, round
// trips, handshakes, how soon ends are told, and membership beside serf (membership.mjs).
//   node test/bench/hosts.mjs [--hosts=30] [--rounds=3] [--json]        (after make build)
// It makes hosts of network namespaces, so it needs root.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const bin = fileURLToPath(new URL('../../build/bin', import.meta.url))
process.env.WARREN ??= `${bin}/warren`
process.env.WARREN_NODE ??= `${bin}/warren-node`
const { Cluster } = await import('../e2e/hosts/cluster.mjs')
const { skip } = await import('../e2e/hosts/net.mjs')
const { besideSerf } = await import('./membership.mjs')
const exec = promisify(execFile)

const { values: options } = parseArgs({
  options: { hosts: { type: 'string', default: '30' }, rounds: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
})
const rounds = Number(options.rounds)
const after = []
const t = { after: (hook) => after.push(hook) }
const rows = []
const say = (name, value, unit) => {
  rows.push({ name, value, unit })
  if (!options.json) console.log(`${name.padEnd(80)} ${value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : 1 }).padStart(12)} ${unit}`)
}
const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]

// ---- in members

const serve = (mesh, keep, name) => mesh.serve(name, { echo: (x) => x, now: () => performance.timeOrigin + performance.now() }).then(() => mesh.self.id)

const roundTrips = async (mesh, keep, name, id, count) => {
  const echo = mesh.client(name, { to: id }).echo
  await mesh.available(name)
  for (let i = 0; i < 2000; i++) await echo({ id: i, name: 'abc', n: 12345 })
  const times = []
  for (let i = 0; i < count; i++) {
    const begin = performance.now()
    await echo({ id: i, name: 'abc', n: 12345 })
    times.push((performance.now() - begin) * 1000)
  }
  return times
}

// The sender stops when nothing more is taken, and both count until the last has arrived.
const receive = async (mesh, keep, subject) => {
  keep.count = 0
  keep.subscription = mesh.subscribe(subject)
  await keep.subscription.ready
  ;(async () => {
    for await (const message of keep.subscription) {
      keep.count++
      if (message.data.last) keep.done?.()
    }
  })()
}
const send = async (mesh, keep, subject, len, count) => {
  const data = len === 0 ? { id: 1, name: 'abc', n: 12345, last: false } : { bytes: Buffer.alloc(len, 0xa5), last: false }
  const begin = performance.now()
  for (let i = 0; i < count; i++)
    if (!mesh.publish(subject, data)) await new Promise((resolve) => mesh.once('drain', resolve))
  await mesh.client('sink').finished({ count: count + 1 }, { timeout: 60_000 }).catch(() => {})
  return (performance.now() - begin) / 1000
}
const sink = (mesh, keep) => mesh.serve('sink', {
  finished: async ({ count }) => {
    while (keep.count < count - 1) await new Promise((resolve) => setTimeout(resolve, 1))
    keep.count = 0
  },
}).then(() => mesh.self.id)

async function throughput(from, to, len, count) {
  const subject = `flood.${len}.${Math.random().toString(36).slice(2)}`
  await to.run(receive, subject)
  await from.run((mesh) => mesh.available('sink'))
  await new Promise((resolve) => setTimeout(resolve, 300)) // the subscription is known everywhere
  return count / (await from.run(send, subject, len, count))
}

async function median(measure) {
  const values = []
  for (let i = 0; i < rounds; i++) values.push(await measure())
  return quantile(values, 0.5)
}

// ---- libsodium alone, on one core

async function sodium() {
  const program = `
import ctypes, time
lib = ctypes.CDLL("libsodium.so.23"); lib.sodium_init()
m = ctypes.create_string_buffer(65536 + 16); n = ctypes.create_string_buffer(12); k = ctypes.create_string_buffer(32); l = ctypes.c_ulonglong()
end = time.perf_counter() + 1.0; c = 0
while time.perf_counter() < end:
    lib.crypto_aead_chacha20poly1305_ietf_encrypt(m, ctypes.byref(l), m, ctypes.c_ulonglong(65536), None, ctypes.c_ulonglong(0), None, n, k); c += 1
print(c * 65536 / 1e6)`
  const { stdout } = await exec('python3', ['-c', program])
  return Number(stdout)
}

// ---- the cluster

async function handshakes() {
  const us = JSON.parse((await exec(`${bin}/handshake_bench`)).stdout)
  say('handshake of two nodes, CPU of who dials (goal 1.5)', us.dialler / 1000, 'ms')
  say('handshake of two nodes, CPU of who listens (goal 1.5)', us.listener / 1000, 'ms')
}

async function links() {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  const near = await cluster.member(ada, 'near'), same = await cluster.member(ada, 'same'), far = await cluster.member(bob, 'far')
  const [sameId, farId] = [await same.run(serve, 'same'), await far.run(serve, 'far')]
  for (const [what, name, id] of [['on one host', 'same', sameId], ['between hosts', 'far', farId]]) {
    const times = await near.run(roundTrips, name, id, 5000)
    say(`round trip, small, ${what}: p50`, quantile(times, 0.5), 'us')
    say(`round trip, small, ${what}: p99`, quantile(times, 0.99), 'us')
  }
  const alone = await sodium()
  say('libsodium alone, one core, 64 KiB', alone, 'MB/s')
  await same.run(sink)
  const plain = { small: await median(() => throughput(near, same, 0, 300_000)), large: await median(() => throughput(near, same, 65536, 8000)) }
  await same.run((mesh) => mesh.close())
  await far.run(sink)
  const sealed = { small: await median(() => throughput(near, far, 0, 300_000)), large: await median(() => throughput(near, far, 65536, 8000)) }
  say('one way, small, on one host', plain.small / 1000, 'k/s')
  say('one way, small, between hosts', sealed.small / 1000, 'k/s')
  say('one way, small: between hosts, of that on one host (goal 60)', (100 * sealed.small) / plain.small, '%')
  say('one way, 64 KiB, on one host', (plain.large * 65536) / 1e6, 'MB/s')
  say('one way, 64 KiB, between hosts', (sealed.large * 65536) / 1e6, 'MB/s')
  say('one way, 64 KiB: between hosts, of libsodium alone (goal 80)', (100 * sealed.large * 65536) / 1e6 / alone, '%')

  // How soon the end of a node is told on the other host, and a new instance found: clocks are one machine's.
  const told = [], found = []
  for (let i = 0; i < 20; i++) {
    const name = `v${i}`
    const victim = await cluster.member(bob, name)
    const seen = near.run(async (mesh, keep, name) => {
      const [peer] = await mesh.available(name, { timeout: 10_000 })
      keep.down = mesh.monitor(peer).down
      return performance.timeOrigin + performance.now()
    }, name)
    const at = await victim.run(async (mesh, keep, name) => {
      const begin = performance.timeOrigin + performance.now()
      await mesh.serve(name, { f: () => 1 })
      return begin
    }, name)
    found.push((await seen) - at)
    const end = near.run(async (mesh, keep) => { await keep.down; return performance.timeOrigin + performance.now() })
    const killedAt = performance.timeOrigin + performance.now()
    await victim.kill()
    told.push((await end) - killedAt)
  }
  say('a new instance is found on the other host: p99 of 20 (goal 300)', quantile(found, 0.99), 'ms')
  say('the end of a node is told on the other host: p99 of 20 (goal 100)', quantile(told, 0.99), 'ms')
}

try {
  if (skip) console.error(`SKIP: ${skip}`)
  else {
    await handshakes()
    await links()
    if (Number(options.hosts) > 0) await besideSerf(t, say, Number(options.hosts), rounds)
    if (options.json) console.log(JSON.stringify(rows))
  }
} finally {
  for (const hook of after) await hook()
}
