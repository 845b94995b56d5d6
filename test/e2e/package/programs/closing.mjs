// A server that is closed before the agent has answered; the process then ends by itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'

const probe = net.createServer().listen(0)
const { port } = probe.address()
await new Promise((resolve) => probe.close(resolve))

for (const create of [net.createServer, http.createServer]) {
  const server = create()
  const events = []
  for (const name of ['listening', 'close', 'error']) server.on(name, () => events.push(name))
  server.listen(port, () => events.push('callback of listen'))
  const err = await new Promise((resolve) => server.close(resolve))
  assert.equal(err, undefined)
  // Right behind it: the same port is free for the next one.
  const next = create().listen(port)
  await once(next, 'listening')
  await new Promise((resolve) => next.close(resolve))
  assert.deepEqual(events, ['close'])
}

const again = net.createServer()
again.close((err) => assert.equal(err.code, 'ERR_SERVER_NOT_RUNNING'))

// unref() before the answer counts as well: nothing keeps this process.
net.createServer().listen(port).unref()
console.log('as it should be')
