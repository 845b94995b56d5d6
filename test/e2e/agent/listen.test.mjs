// server.listen(port) in all instances of a service.
import assert from 'node:assert/strict'
import http from 'node:http'
import net from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { Sandbox } from './harness.mjs'
import { freePort } from '../ports.mjs'

const get = (port, path = '/') =>
  new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text)).on('error', reject)
    }).on('error', reject)
  })

async function allListening(proc, count) {
  for (let i = 0; i < count; i++) await proc.until(new RegExp(`server\\.${i} +\\| listening`))
}

test('four instances share a port, and requests reach several of them', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const proc = box.warren(['run', 'server.js', '-i', '4', port])
  await allListening(proc, 4)
  const pids = new Set()
  // Who is free takes the next one; with many open at once more than one node must.
  for (let round = 0; round < 50 && pids.size < 2; round++)
    for (const pid of await Promise.all(Array.from({ length: 40 }, () => get(port)))) pids.add(pid)
  assert.ok(pids.size >= 2, `only ${[...pids]}`)
  const nodes = (await box.nodes()).map((node) => String(node.pid))
  for (const pid of pids) assert.ok(nodes.includes(pid))
})

test('no connection is refused while the only instance restarts', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const proc = box.warren(['run', 'server.js', port])
  await allListening(proc, 1)
  const first = await get(port)
  await assert.rejects(get(port, '/die')) // its answer died with it
  const second = await get(port) // waits in the queue of the socket that the agent holds
  assert.notEqual(second, first)
  await proc.until(/restarted/)
})

test('a port in use is told to the program as ever', async (t) => {
  const box = await Sandbox.open(t)
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  const { code, stderr } = await box.done(['run', 'server.js', String(port)])
  server.close()
  assert.equal(code, 9)
  assert.match(stderr, new RegExp(`EADDRINUSE.*address already in use.*127\\.0\\.0\\.1:${port}`))
})

test('two services cannot have one port', async (t) => {
  const box = await Sandbox.open(t)
  const port = await freePort()
  const first = box.warren(['run', 'server.js', port])
  await allListening(first, 1)
  const { code, stderr } = await box.done(['run', 'server.js', '--name', 'second', port])
  assert.equal(code, 9)
  assert.match(stderr, /EADDRINUSE/)
  first.kill('SIGINT')
  await first.ended
})

test('the port is free when the service has ended', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const port = await freePort()
  const proc = box.warren(['run', 'server.js', port])
  await allListening(proc, 1)
  proc.kill('SIGINT')
  await proc.ended
  await assert.rejects(get(port), { code: 'ECONNREFUSED' })
  assert.equal(agent.isOver, undefined)
})
