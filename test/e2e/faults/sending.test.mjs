// A node ends in the middle of what it sends: what arrived is whole, in order, and told to be all there is.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'
import { figure } from '../hosts/figure.mjs'

const COUNT = 30, LEN = 200_000 // more than a socket holds, less than may wait for a reader

let cluster, reader
before(async () => {
  cluster = await Cluster.start()
  reader = await cluster.member('reader')
  await reader.run(async (mesh, keep) => {
    keep.isWhole = ({ n, bytes }, len) => bytes.length === len && bytes.every((byte) => byte === n % 256)
    keep.find = async (name) => {
      let peer
      while (!(peer = [...mesh.peers.values()].find((p) => p.name === name))) await new Promise((resolve) => mesh.once('peer:up', resolve))
      return peer
    }
  })
})
after(() => cluster.stop())

const WAYS = {
  'by SIGKILL': "process.kill(process.pid, 'SIGKILL')",
  'by process.exit()': 'process.exit(3)',
  'by an error that nobody catches': "setImmediate(() => { throw new Error('on purpose') })",
}

for (const [how, end] of Object.entries(WAYS)) {
  const name = `sender-${how.length}`
  test(`a publisher that ends ${how} in the middle: its readers get whole messages from the first on, then its end, once`, async (t) => {
    const sender = await cluster.member(name)
    await reader.run(async (mesh, keep, name, len) => {
      keep.seen = []
      const big = mesh.subscribe(`big.${name}`, { highWaterMark: 1e9 })
      await big.ready
      ;(async () => { for await (const { data } of big) keep.seen.push(keep.isWhole(data, len) ? data.n : 'torn') })()
      const peer = await keep.find(name)
      mesh.monitor(peer).down.then(() => setImmediate(() => keep.seen.push('down')))
    }, name, LEN)
    await sender.run(async (mesh, keep, name) => { while (!mesh.publish(`big.${name}`, { n: 0, bytes: new Uint8Array(0) })) await new Promise((resolve) => mesh.once('drain', resolve)); await mesh.flush() }, name)
    await reader.run(async (mesh, keep) => { while (keep.seen.length === 0) await new Promise(setImmediate) })
    await sender.run((mesh, keep, name, count, len, end) => {
      for (let n = 0; n < count; n++) mesh.publish(`big.${name}`, { n, bytes: new Uint8Array(len).fill(n) })
      setImmediate(() => new Function('process', end)(process)) // what is on its way has begun
    }, name, COUNT, LEN, end).catch(() => {})
    const seen = await reader.run(async (mesh, keep) => {
      while (keep.seen.at(-1) !== 'down') await new Promise(setImmediate)
      await new Promise(setImmediate)
      return keep.seen
    })
    const numbers = seen.slice(1, -1) // behind the empty one that made the link
    assert.deepEqual(numbers, Array.from(numbers, (_, i) => i))
    assert.ok(numbers.length <= COUNT)
    figure(t, `arrived of ${COUNT} messages of ${LEN / 1000} kB when the sender ended ${how}`, numbers.length, '')
  })
}

test('a stream whose server ends in the middle fails, and does not look complete', async () => {
  const server = await cluster.member('streamer')
  await server.run((mesh, keep, len) => mesh.serve('numbers', { async * all() { for (let n = 0; ; n++) yield { n, bytes: new Uint8Array(len).fill(n) } } }).then(() => true), LEN)
  await reader.run(async (mesh, keep, len) => {
    await mesh.available('numbers')
    keep.items = []
    keep.ended = (async () => {
      for await (const item of mesh.client('numbers').all(null, { timeout: 600_000 })) keep.items.push(keep.isWhole(item, len) ? item.n : 'torn')
      return 'complete'
    })().catch((err) => err.code)
  }, LEN)
  await reader.run(async (mesh, keep) => { while (keep.items.length < 20) await new Promise(setImmediate) })
  await server.kill()
  const [ended, items] = await reader.run(async (mesh, keep) => [await keep.ended, keep.items])
  assert.equal(ended, 'ERR_WARREN_PEER_LOST')
  assert.deepEqual(items, Array.from(items, (_, i) => i))
})

test('calls of one that ends: each handler runs once, with all of its input or not at all, and the signal of those that run is aborted', async (t) => {
  const caller = await cluster.member('dying-caller')
  await reader.run((mesh, keep, len) => {
    keep.ran = []
    keep.aborted = []
    return mesh.serve('slow', {
      take(input, { signal }) {
        keep.ran.push(keep.isWhole(input, len) ? input.n : 'torn')
        return new Promise((resolve) => signal.addEventListener('abort', () => { keep.aborted.push(input.n); resolve() }))
      },
    }).then(() => true)
  }, LEN)
  await caller.run((mesh) => mesh.available('slow').then(() => true))
  await caller.run((mesh, keep, count, len) => {
    for (let n = 0; n < count; n++) mesh.client('slow').take({ n, bytes: new Uint8Array(len).fill(n) }, { timeout: 600_000 }).catch(() => {})
  }, COUNT, LEN)
  await reader.run(async (mesh, keep) => { while (keep.ran.length === 0) await new Promise(setImmediate) })
  const down = reader.run(async (mesh, keep) => {
    await mesh.monitor(await keep.find('dying-caller')).down
    while (keep.aborted.length < keep.ran.length) await new Promise(setImmediate)
    return [keep.ran, keep.aborted]
  })
  await caller.kill()
  const [ran, aborted] = await down
  assert.deepEqual(ran, Array.from(ran, (_, i) => i))
  assert.deepEqual(aborted.sort((a, b) => a - b), ran)
  figure(t, `handlers that ran, and were aborted, of ${COUNT} calls with 200 kB`, ran.length, '')
})
