// Every error code that index.d.ts promises: how it comes about, whether the handler may have run, and the words.
// ERR_WARREN_NO_ADDON is told by stock/package, ERR_WARREN_FORBIDDEN comes from another host (unit/agent/links).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, caller, server
before(async () => {
  cluster = await Cluster.start()
  ;[caller, server] = await cluster.members('caller', 'server')
  await server.run(async (mesh) => void await mesh.serve('shop', {
    never: () => new Promise(() => {}), echo: (x) => x, dies: () => process.kill(process.pid, 'SIGKILL'), fn: () => () => {}, huge: () => Buffer.alloc(2 << 20),
  }))
  await caller.run(async (mesh) => void await mesh.available('shop'))
})
after(() => cluster.stop())

// [code, delivered, what the message must match, what is done in the caller]
const TABLE = [
  ['ERR_WARREN_NO_RESPONDERS', 'no', /^nobody\.f: nobody serves it now \(await mesh\.available/, (mesh) => mesh.client('nobody').f()],
  ['ERR_WARREN_NO_RESPONDERS', 'no', /^to\.nobody: nobody serves it now/, (mesh) => mesh.request('to.nobody')],
  ['ERR_WARREN_NO_METHOD', 'no', /^shop\.sell: the service at server has no such method/, (mesh) => mesh.client('shop').sell()],
  ['ERR_WARREN_TIMEOUT', 'maybe', /^shop\.never: no answer from server within 30 ms \(timeout says/, (mesh) => mesh.client('shop').never(1, { timeout: 30 })],
  ['ERR_WARREN_TIMEOUT', 'no', /^nobody: 0 of 1 instances are there/, (mesh) => mesh.available('nobody', { timeout: 5 })],
  ['ERR_WARREN_CANCELLED', 'maybe', /^shop\.never: the call was cancelled/, (mesh) => mesh.client('shop').never(1, { signal: AbortSignal.timeout(30) })],
  ['ERR_WARREN_CANCELLED', 'no', /^shop\.never: the call was cancelled/, (mesh) => mesh.client('shop').never(1, { signal: AbortSignal.abort() })],
  ['ERR_WARREN_PEER_LOST', 'no', /^shop\.echo: there is no peer 00ff/, (mesh) => mesh.client('shop').echo(1, { to: '00ff' })],
  ['ERR_WARREN_NOT_CLONEABLE', 'no', /^cannot send \$\.a: a function/, (mesh) => mesh.client('shop').echo({ a() {} })],
  ['ERR_WARREN_NOT_CLONEABLE', 'no', /^cannot send \$\.a: a symbol/, async (mesh) => mesh.publish('news', { a: Symbol('s') })],
  ['ERR_WARREN_NOT_CLONEABLE', 'maybe', /^cannot send \$: a function/, (mesh) => mesh.client('shop').fn()],
  ['ERR_WARREN_TOO_LARGE', 'no', /^the message is larger than 1048576 bytes: send it as a stream, or join with a larger maxMessage/, async (mesh) => mesh.publish('news', Buffer.alloc(2 << 20))],
  ['ERR_WARREN_TOO_LARGE', 'maybe', /^the message is larger than/, (mesh) => mesh.client('shop').huge()],
  ['ERR_WARREN_BAD_SUBJECT', 'no', /^bad subject "a b": it has a blank/, async (mesh) => mesh.publish('a b', 1)],
  ['ERR_WARREN_BAD_SUBJECT', 'no', /^bad subject "a\*": a wildcard must be a whole token/, async (mesh) => mesh.subscribe('a*')],
  ['ERR_WARREN_BAD_NAME', 'no', /^bad name "": it must be a text/, (mesh) => mesh.serve('', { f() {} })],
  ['ERR_WARREN_BAD_NAME', 'no', /^bad method "then": it means something to JavaScript/, (mesh) => mesh.serve('x', { then() {} })],
  ['ERR_WARREN_OVERLOADED', 'no', /^own\.wait: too much waits for caller: have fewer calls open/, async (mesh) => {
    const service = await mesh.serve('own', { wait: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)) })
    const leave = new AbortController()
    const calls = Array.from({ length: 10 }, () => mesh.client('own').wait(Buffer.alloc(1_000_000), { signal: leave.signal }))
    try {
      await Promise.any(calls.map((call) => call.then(() => Promise.reject(new Error('answered')), (err) => err))).then((err) => { throw err })
    } finally {
      leave.abort()
      await Promise.allSettled(calls)
      await service.close()
    }
  }],
  ['ERR_WARREN_NO_AGENT', 'no', /^no agent answers .*is one running\? `warren run` starts one/, async () => {
    const { Worker } = await import('node:worker_threads') // a member of its own: this one has joined
    const worker = new Worker("const { parentPort } = require('worker_threads'); require('warren').join({ agentPath: '/nowhere' }).catch((err) => parentPort.postMessage({ name: err.name, code: err.code, message: err.message, delivered: err.delivered }))", { eval: true })
    const told = await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
    throw Object.assign(new Error(told.message), told)
  }],
]

for (const [code, delivered, words, work] of TABLE) {
  test(`${code} (${delivered}): ${String(words).slice(2, 60)}`, async () => {
    const got = await caller.run(async (mesh, keep, source) => {
      try {
        return [await (0, eval)(`(${source})`)(mesh)]
      } catch (err) {
        return { code: err.code, delivered: err.delivered, name: err.name, message: err.message }
      }
    }, String(work))
    assert.deepEqual({ code: got.code, delivered: got.delivered }, { code, delivered }, JSON.stringify(got))
    assert.match(got.message, words)
    assert.match(got.name, /^(MeshError|Error)$/) // one that a handler's answer met has travelled
  })
}

test('ERR_WARREN_PEER_LOST (maybe), AGENT_LOST and CLOSED, each when its time has come', async () => {
  const lost = await caller.run((mesh) => mesh.client('shop').dies().catch((err) => [err.code, err.delivered, err.message, err.peer.name, err.subject]))
  assert.deepEqual(lost, ['ERR_WARREN_PEER_LOST', 'maybe', 'shop.dies: server is gone', 'server', 'shop.dies'])
  const left = await caller.run((mesh, keep) => { keep.lost = new Promise((resolve) => mesh.once('error', resolve)) })
  assert.equal(left, undefined)
  cluster.agent.kill('SIGKILL')
  const agent = await caller.run(async (mesh, keep) => {
    const err = await keep.lost
    const later = await mesh.subscribe('late').ready.catch((err) => err.code)
    return [err.code, err.delivered, err.message, later]
  })
  assert.deepEqual(agent, ['ERR_WARREN_AGENT_LOST', 'no', 'the agent of this host is gone', 'ERR_WARREN_AGENT_LOST'])
  const closed = await caller.run(async (mesh) => {
    await mesh.close()
    const codes = []
    for (const work of [() => mesh.publish('a', 1), () => mesh.subscribe('a'), () => mesh.monitor(mesh.self)]) try { work() } catch (err) { codes.push(err.code + err.delivered) }
    for (const work of [mesh.client('a').f(), mesh.request('a'), mesh.flush(), mesh.serve('a', { f() {} }), mesh.available('a')]) await work.catch((err) => codes.push(err.code + err.delivered))
    return codes
  })
  assert.deepEqual(closed, Array(8).fill('ERR_WARREN_CLOSEDno'))
})
