// testCluster(): what it promises to those who test with it.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testCluster } from 'warren'

process.env.WARREN_PROGRAM ??= join(process.env.WARREN_BIN, 'warren') // a stock Node.js has none beside it
const program = (name) => fileURLToPath(new URL(`programs/${name}`, import.meta.url))

async function withCluster(count, work, options) {
  const cluster = await testCluster(count, options)
  try {
    await work(cluster, ...cluster.nodes)
  } finally {
    await cluster.close()
  }
}

const serve = async (mesh) => { await mesh.serve('echo', { it: (x) => [x, mesh.self.name], slow: () => new Promise(() => {}) }) }
const callTo = (mesh, id, timeout) => mesh.client('echo').it(1, { to: id, timeout }).then(([, name]) => name, (err) => [err.code, err.delivered])
const isAlive = (pid) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))

test('its nodes know each other, run functions and return what these return or throw', async () => {
  const began = performance.now()
  await withCluster(3, async (cluster, a, b, c) => {
    console.log(`# 3 nodes were there after ${(performance.now() - began).toFixed(0)} ms`)
    assert.deepEqual(cluster.nodes.map(({ name }) => name), ['n0', 'n1', 'n2'])
    assert.deepEqual(await Promise.all(cluster.nodes.map((node) => node.run((mesh) => mesh.peers.size))), [2, 2, 2])
    assert.equal(await a.run((mesh, id) => mesh.peers.get(id).name, b.id), 'n1')
    await b.run(serve)
    assert.deepEqual(await c.run(async (mesh, map) => { await mesh.available('echo'); return mesh.client('echo').it(map) }, new Map([[1n, 2]])), [new Map([[1n, 2]]), 'n1'])
    await assert.rejects(a.run(() => { throw Object.assign(new RangeError('far'), { code: 'E' }) }), (err) => err instanceof RangeError && err.message === 'far' && err.code === 'E' && /in node n0/.test(err.stack))
    await assert.rejects(a.run(() => () => 1), { name: /DataCloneError|Error/ })
    assert.equal(await a.run(async () => (await import('node:path')).sep + require('path').sep), '//')
    const [d] = await cluster.add()
    assert.equal(await d.run((mesh) => mesh.peers.size), 3)
    assert.equal(await a.run((mesh) => mesh.peers.size), 3)
  })
})

test('a partition lets nothing through and tells nobody; what waited arrives after heal()', async () => {
  await withCluster(3, async (cluster, a, b, c) => {
    await b.run(serve)
    await Promise.all([a, c].map((node) => node.run((mesh) => mesh.available('echo'))))
    assert.equal(await a.run(callTo, b.id), 'n1') // a link is there
    await b.run(async (mesh) => {
      globalThis.got = []
      const s = mesh.subscribe('news')
      await s.ready
      void (async () => { for await (const m of s) got.push(m.data) })()
    })
    await cluster.partition(a, b)
    assert.deepEqual((await a.run(callTo, b.id, 150))[0], 'ERR_WARREN_TIMEOUT')
    assert.equal(await c.run(callTo, b.id), 'n1')
    await a.run((mesh) => mesh.publish('news', 'waits'))
    assert.deepEqual(await a.run((mesh) => [...mesh.peers.values()].map(({ name }) => name).sort()), ['n1', 'n2'])
    assert.deepEqual(await b.run(() => got), [])
    await cluster.heal(a, b)
    assert.equal(await a.run(callTo, b.id), 'n1')
    assert.deepEqual(await b.run(() => got), ['waits'])
  })
})

test('a partition of groups holds for links that are not there yet, and heal() without arguments ends all', async () => {
  await withCluster(4, async (cluster, a, b, c, d) => {
    for (const node of cluster.nodes) await node.run(serve)
    for (const node of cluster.nodes) await node.run((mesh) => mesh.available('echo', { count: 4 }))
    await cluster.partition([a, b], [c, d])
    const reach = (node) => Promise.all(cluster.nodes.map(async (other) => Array.isArray(await node.run(callTo, other.id, 200)) ? '-' : other.name))
    assert.deepEqual(await reach(a), ['n0', 'n1', '-', '-'])
    assert.deepEqual(await reach(d), ['-', '-', 'n2', 'n3'])
    await cluster.heal()
    assert.deepEqual(await reach(a), ['n0', 'n1', 'n2', 'n3'])
    await assert.rejects(cluster.partition(a, a), TypeError)
  })
})

test('a paused node answers when it is resumed; a killed one is told at once, behind a partition too', async () => {
  await withCluster(3, async (cluster, a, b, c) => {
    await b.run(serve)
    await a.run((mesh) => mesh.available('echo'))
    cluster.pause(b)
    const waiting = a.run(callTo, b.id, 20000)
    assert.deepEqual((await a.run(callTo, b.id, 100))[0], 'ERR_WARREN_TIMEOUT')
    cluster.resume(b)
    assert.equal(await waiting, 'n1')
    await cluster.partition(b, c)
    const down = a.run(async (mesh, id) => { const { reason, signal } = await mesh.monitor(id).down; return [reason, signal] }, b.id)
    const cut = c.run(async (mesh, id) => (await mesh.monitor(id).down).reason, b.id)
    await Promise.all([a.run(() => 1), c.run(() => 1)]) // their monitors are there
    assert.deepEqual(await cluster.kill(b), { id: b.id, name: 'n1', code: null, signal: 'SIGKILL' })
    const [instead] = await cluster.add(1) // also when one has ended
    assert.equal(await instead.run((mesh) => mesh.self.name), instead.name)
    assert.ok(['crash', 'killed'].includes((await down)[0]))
    assert.equal(await cut, (await down)[0])
    await assert.rejects(b.run(() => 1), { code: 'ERR_WARREN_PEER_LOST' })
  })
})

test('every node runs the program that is its entry; close() leaves no process and no file', async () => {
  let left
  await withCluster(2, async (cluster, a, b) => {
    left = [a.pid, b.pid]
    assert.equal(await a.run((mesh, id) => mesh.client('greeter').greet('you', { to: id }), b.id), 'n1 greets you, in test')
    left.push(cluster.dir)
  }, { entry: program('greeter.mjs'), env: { GREETING: 'in test' } })
  assert.deepEqual(left.map((each) => (typeof each === 'number' ? isAlive(each) : existsSync(each))), [false, false, false])
})

test('a program that fails, an agent that is not there: the promise is rejected with what to do', async () => {
  await assert.rejects(testCluster(1, { entry: program('nowhere.mjs') }), /nowhere/)
  await assert.rejects(testCluster(1, { warren: '/nowhere/warren' }), { code: 'ERR_WARREN_NO_AGENT', message: /needs the program warren/ })
  await assert.rejects(testCluster(1e6), RangeError)
})

test('a node has 1,024 calls of run() under way and no more; its end is that of all', async () => {
  await withCluster(1, async (cluster, a) => {
    const runs = Array.from({ length: 1024 }, () => a.run(() => new Promise(() => {})).catch((err) => err.code))
    await assert.rejects(a.run(() => 1), { code: 'ERR_WARREN_OVERLOADED', delivered: 'no', message: 'n0: 1024 calls of run() have not come back' })
    await cluster.kill(a)
    assert.deepEqual([...new Set(await Promise.all(runs))], ['ERR_WARREN_PEER_LOST'])
  })
})

for (const [how, signal] of [['crashes', 'SIGKILL'], ['ends without close()', 'SIGUSR2']]) {
  test(`a test that ${how} leaves no node, no agent and no file behind, also with a paused node`, async () => {
    const child = spawn(process.execPath, [program('careless.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    const { pids, dir } = JSON.parse(line)
    assert.ok(pids.length === 3 && pids.every(isAlive) && existsSync(dir))
    child.kill(signal)
    await once(child, 'exit')
    while (pids.some(isAlive) || existsSync(dir)) await new Promise((resolve) => setTimeout(resolve, 5)) // the test's time-out ends this
  })
}

test('the same in other runners: nothing of node:test is needed', async () => {
  const child = await new Promise((resolve) => execFile(process.execPath, [program('runner.cjs')], (err, stdout) => resolve([err, stdout])))
  assert.deepEqual(child, [null, 'passed\n'])
})
