// A stock Node.js, this process, and forked nodes in one mesh.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { join } from 'warren'
import { Cluster } from '../e2e/messages/cluster.mjs'

const here = (path) => new URL(path, import.meta.url).pathname

let cluster, mesh, forked
before(async () => {
  cluster = await Cluster.start()
  await cluster.warren('run', '-d', here('programs/forked.mjs'))
  mesh = await join({ name: 'stock', agentPath: `${cluster.dir}/agent.sock`, maxMessage: 16 << 20 })
  await mesh.available('forked')
  const client = mesh.client('forked', { timeout: 60_000 })
  forked = (work, ...args) => client.run({ source: work.toString(), args })
})
after(async () => {
  await mesh.close()
  await cluster.stop()
})

// For both sides.
const describe = (value) => ({ value, text: value.error.message, code: value.error.code, isRange: value.error instanceof RangeError })

test('this is a stock Node.js with the package of npm, and the other is a fork of the zygote', async () => {
  assert.equal(process.release.name, 'node')
  assert.match(process.execPath, /bin\/node$/)
  assert.match(import.meta.resolve('warren'), /node_modules\/warren\/main\.js$/)
  const [version, args] = await forked(async () => [process.version, (await import('node:fs')).readFileSync(`/proc/${process.ppid}/cmdline`, 'utf8')])
  assert.notEqual(version, process.version)
  assert.match(args, /--warren-zygote/)
})

test('calls go both ways, with every type and with errors', async () => {
  const error = Object.assign(new RangeError('too far'), { code: 'E_FAR' })
  const value = { map: new Map([[1n, new Date(5)]]), set: new Set([undefined, NaN, -0]), bytes: Buffer.from('b'), floats: new Float64Array([0.1]), error }
  await mesh.serve('stock', { describe, fail() { throw error } })
  const there = await forked((mesh, keep, text, value) => (0, eval)(`(${text})`)(value), describe.toString(), value)
  assert.deepEqual(there, { value, text: 'too far', code: 'E_FAR', isRange: true })

  const here = await forked(async (mesh, keep, value) => {
    await mesh.available('stock')
    const failure = await mesh.client('stock').fail().catch((err) => [err instanceof RangeError, err.code, err.message])
    return [await mesh.client('stock').describe(value), failure]
  }, value)
  assert.deepEqual(here, [{ value, text: 'too far', code: 'E_FAR', isRange: true }, [true, 'E_FAR', 'too far']])
})

test('publications go both ways, in order, and a queue group of both kinds shares them', async () => {
  const numbers = mesh.subscribe('to.stock')
  const shared = mesh.subscribe('shared', { queue: 'both', highWaterMark: 1000 })
  await Promise.all([numbers.ready, shared.ready])
  await forked(async (mesh, keep, text) => {
    keep.hearAgent = (0, eval)(text)
    await keep.hearAgent(mesh)
    keep.numbers = mesh.subscribe('to.forked')
    keep.shared = mesh.subscribe('shared', { queue: 'both', highWaterMark: 1000 })
    await Promise.all([keep.numbers.ready, keep.shared.ready])
    for (let n = 0; n < 1000; n++) if (!mesh.publish('to.stock', { n })) await new Promise((resolve) => mesh.once('drain', resolve))
  }, hearAgent.toString())
  await hearAgent(mesh)
  const got = []
  for await (const { data } of numbers) if (got.push(data.n) === 1000) break
  assert.deepEqual(got, Array.from({ length: 1000 }, (_, n) => n))

  for (let n = 0; n < 1000; n++) if (!mesh.publish('to.forked', { n })) await once(mesh, 'drain')
  const isInOrder = await forked(async (mesh, { numbers }) => {
    let next = 0
    for await (const { data } of numbers) if (data.n !== next++ || next === 1000) break
    return next === 1000
  })
  assert.equal(isInOrder, true)

  for (let n = 0; n < 100; n++) mesh.publish('shared', n)
  await mesh.flush()
  let theirs = 0
  while (theirs + shared.queued < 100) theirs = await forked((mesh, { shared }) => shared.queued)
  assert.ok(theirs > 0 && shared.queued > 0, `${theirs} there and ${shared.queued} here`)
  assert.equal(theirs + shared.queued, 100)
  shared.unsubscribe({ discard: true })
  await forked((mesh, { shared }) => { shared.unsubscribe({ discard: true }) })
})

test('16 MiB go there and back whole', async () => {
  const bytes = randomBytes((16 << 20) - 1000)
  const hash = (bytes) => createHash('sha256').update(bytes).digest('hex')
  await mesh.serve('bytes', { take: (taken) => hash(taken) })
  const there = await forked(async (mesh, keep, bytes) => {
    keep.bytes = bytes
    return (await import('node:crypto')).createHash('sha256').update(bytes).digest('hex')
  }, bytes)
  assert.equal(there, hash(bytes))
  const back = await forked(async (mesh, keep) => {
    await mesh.available('bytes')
    return mesh.client('bytes').take(keep.bytes)
  })
  assert.equal(back, hash(bytes))
})

// Who publishes when it returns knows of every subscription that was ready before: the agent says one thing after the other.
const hearAgent = async (mesh) => {
  const subscription = mesh.subscribe('nothing')
  await subscription.ready
  subscription.unsubscribe()
}

// Publishes until it is told to wait, and says how many went out.
async function publishUntilTold(mesh, subject) {
  const bytes = Buffer.alloc(64 << 10)
  for (let count = 1; count < 10_000; count++) {
    if (!mesh.publish(subject, bytes)) return count
  }
  return Infinity
}

test('who does not read holds its senders, stock or forked, with little in memory; then all of it arrives', async () => {
  const slow = mesh.subscribe('slow.stock', { highWaterMark: 4 })
  await slow.ready
  const toStock = await forked(async (mesh, keep, text) => {
    await keep.hearAgent(mesh)
    keep.publishUntilTold = (0, eval)(`(${text})`)
    return keep.publishUntilTold(mesh, 'slow.stock')
  }, publishUntilTold.toString())
  assert.ok(toStock < 100, `${toStock} messages of 64 KiB`)
  let taken = 0
  for await (const { data } of slow) if (data.length === 64 << 10 && ++taken === toStock) break

  await forked(async (mesh, keep) => {
    keep.slow = mesh.subscribe('slow.forked', { highWaterMark: 4 })
    await keep.slow.ready
  })
  await hearAgent(mesh)
  const toForked = await publishUntilTold(mesh, 'slow.forked')
  assert.ok(toForked < 100, `${toForked} messages of 64 KiB`)
  const drained = once(mesh, 'drain')
  const read = await forked(async (mesh, { slow }, count) => {
    let taken = 0
    for await (const { data } of slow) if (data.length === 64 << 10 && ++taken === count) break
    return taken
  }, toForked)
  assert.equal(read, toForked)
  await drained
})

async function stockChild(name) {
  const child = fork(here('../e2e/messages/peer.mjs'), [name], { env: { ...process.env, WARREN_DIR: cluster.dir }, serialization: 'advanced' })
  await once(child, 'message')
  const run = (work) => child.send({ id: 0, source: work.toString(), args: [] })
  return { child, run }
}

test('the death of a stock Node.js is told to a forked node once, and fails its open calls at once', async () => {
  const { child, run } = await stockChild('victim')
  run((mesh) => mesh.serve('victim', { hang: () => new Promise(() => {}) }).then(() => true))
  await forked(async (mesh, keep) => {
    const [victim] = await mesh.available('victim')
    keep.told = []
    mesh.monitor(victim).down.then(({ reason, code }) => keep.told.push(reason, code))
    mesh.on('peer:down', (peer) => peer.name === 'victim' && keep.told.push('peer:down'))
    keep.call = mesh.client('victim').hang(null, { timeout: 60_000 }).catch((err) => [err.code, err.delivered])
  })
  // The call has been taken, for what was asked later is answered.
  await forked((mesh) => mesh.client('victim').none().catch((err) => err.code))
  const started = performance.now()
  child.kill('SIGKILL')
  const [call, told] = await forked(async (mesh, keep) => [await keep.call, await new Promise((resolve) => setImmediate(resolve, keep.told))])
  assert.deepEqual(call, ['ERR_WARREN_PEER_LOST', 'maybe'])
  assert.ok(performance.now() - started < 30_000)
  let all = told
  while (all.length < 3) all = await forked((mesh, keep) => keep.told)
  assert.deepEqual(new Set(all), new Set(['crash', null, 'peer:down']))
  assert.equal(all.length, 3)
})

test('a stock Node.js that closes its mesh, and one that throws, are told as left and as a crash', async () => {
  const reasons = {}
  for (const [name, end] of Object.entries({ left: (mesh) => mesh.close(), crash: () => { setImmediate(() => { throw new Error('on purpose') }) } })) {
    const { child, run } = await stockChild(name)
    await forked(async (mesh, keep, name) => {
      let peer
      while (!(peer = [...mesh.peers.values()].find((each) => each.name === name))) await new Promise((resolve) => mesh.once('peer:up', resolve))
      keep.down = mesh.monitor(peer).down
    }, name)
    run(end)
    reasons[name] = await forked((mesh, keep) => keep.down.then(({ reason }) => reason))
    child.kill('SIGKILL')
  }
  assert.deepEqual(reasons, { left: 'left', crash: 'crash' })
})

test('the end of a forked node is told to a stock one with its exit code', async () => {
  await cluster.warren('run', '-d', '--restart', 'never', '--name', 'short', here('programs/short.mjs'))
  const [peer] = await mesh.available('short')
  const monitor = mesh.monitor(peer)
  await mesh.client('short').end().catch(() => {})
  const { reason, code, signal } = await monitor.down
  assert.deepEqual({ reason, code, signal }, { reason: 'crash', code: 3, signal: null })
})

test('server.listen() is Node\'s own here: only launched nodes share a port', async () => {
  const { createServer } = await import('node:net')
  const first = createServer().listen(0, '127.0.0.1')
  await once(first, 'listening')
  const second = createServer().listen(first.address().port, '127.0.0.1')
  const [error] = await once(second, 'error')
  assert.equal(error.code, 'EADDRINUSE')
  first.close()
})
