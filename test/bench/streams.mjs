// A large stream between two nodes, the small calls beside it on the same link, and what a slow reader makes its sender keep.
//   node test/bench/streams.mjs [--mib=1024] [--json]        (after make build)
// It makes hosts of network namespaces, so it needs root.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const bin = fileURLToPath(new URL('../../build/bin', import.meta.url))
process.env.WARREN ??= `${bin}/warren`
process.env.WARREN_NODE ??= `${bin}/warren-node`
const { Cluster } = await import('../e2e/hosts/cluster.mjs')

const { values: options } = parseArgs({ options: { mib: { type: 'string', default: '1024' }, json: { type: 'boolean', default: false } } })
const bytes = Number(options.mib) << 20
const SLOW_FOR_MS = 8000
const ROUNDS = 9
const after = []
const rows = []
const say = (name, value, unit) => {
  rows.push({ name, value, unit })
  if (!options.json) console.log(`${name.padEnd(70)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit}`)
}

// ---- in members

const serve = async (mesh, keep, name) => {
  keep.sent = 0
  await mesh.serve(name, {
    echo: (x) => x,
    async *read({ len, chunk }) {
      const data = Buffer.alloc(chunk, 0xa5)
      for (let at = 0; at < len; at += chunk) { yield data; keep.sent += chunk }
    },
  })
  return process.pid
}
const found = async (mesh, keep, name) => {
  await mesh.available(name)
  keep.client = mesh.client(name)
}
const read = async (mesh, { client }, len, chunk) => {
  const begin = performance.now()
  let got = 0
  for await (const data of client.read({ len, chunk })) got += data.length
  if (got !== len) throw new Error(`${got} bytes of ${len}`)
  return len / 1e3 / (performance.now() - begin)
}
// Round trips, one after the other, until the stream is over or there are enough.
const roundTrips = async (mesh, { client }, stream, count) => {
  let isOver = false
  const times = []
  const flow = stream && (async () => { for await (const data of client.read(stream)) void data; isOver = true })()
  while (stream ? !isOver : times.length < count) {
    const begin = performance.now()
    await client.echo({ id: times.length, name: 'abc', n: 12345 })
    times.push((performance.now() - begin) * 1000)
  }
  await flow
  times.sort((a, b) => a - b)
  return { p50: times[times.length >> 1], p99: times[Math.floor(times.length * 0.99)], count: times.length }
}
// 1 kB each second.
const readSlowly = async (mesh, { client }, forMs) => {
  const stream = await client.read({ len: 1 << 30, chunk: 1000 }, { timeout: 0 })
  const end = performance.now() + forMs
  while (performance.now() < end) {
    await stream.next()
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
  await stream.return()
}

// What another reader gets, alone and beside the slow one, by turns: the middle of each.
const besideSlow = async (member, len) => {
  const rates = { alone: [], beside: [] }
  for (let i = 0; i < ROUNDS; i++) {
    rates.alone.push(await member.run(read, len, 64 << 10))
    const slow = member.run(readSlowly, SLOW_FOR_MS / ROUNDS)
    rates.beside.push(await member.run(read, len, 64 << 10))
    await slow
  }
  const middle = (all) => all.sort((a, b) => a - b)[all.length >> 1]
  return 100 * (1 - middle(rates.beside) / middle(rates.alone))
}

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

const cluster = await Cluster.open({ after: (hook) => after.push(hook) }, ['ada', 'bob'])
const [ada, bob] = cluster.hosts
try {
  const near = await cluster.member(ada, 'near')
  for (const [where, host, name] of [['on one host', ada, 'same'], ['between hosts', bob, 'far']]) {
    const server = await cluster.member(host, name)
    const pid = await server.run(serve, name)
    await near.run(found, name)
    await near.run(roundTrips, null, 5000)
    say(`stream of 64 KiB items, ${where}`, await near.run(read, bytes, 64 << 10), 'MB/s')
    const idle = await near.run(roundTrips, null, 10_000)
    const busy = await near.run(roundTrips, { len: bytes, chunk: 64 << 10 }, 0)
    say(`small call, nothing else, ${where}: p50`, idle.p50, 'us')
    say(`small call, nothing else, ${where}: p99`, idle.p99, 'us')
    say(`small call, beside the stream, ${where}: p50`, busy.p50, 'us')
    say(`small call, beside the stream, ${where}: p99 (${busy.count} calls)`, busy.p99, 'us')
    const before = rss(pid)
    let most = before
    const watch = setInterval(() => (most = Math.max(most, rss(pid))), 100)
    const slowdown = await besideSlow(near, bytes / 4)
    clearInterval(watch)
    say(`sender for a reader of 1 kB/s, ${where}: growth, with another reader (goal 16)`, most - before, 'MiB')
    say(`another reader beside that one, ${where}: slower by (goal 10)`, slowdown, '%')
    await server.run((mesh) => mesh.close())
  }
} finally {
  for (const hook of after.reverse()) await hook()
}
if (options.json) console.log(JSON.stringify(rows))
