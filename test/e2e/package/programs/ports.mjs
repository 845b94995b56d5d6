// Addresses, kinds of servers, and which ports stay private.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'

async function freePort() {
  const server = net.createServer().listen(0)
  const { port } = server.address() // private: there at once
  await new Promise((resolve) => server.close(resolve))
  return port
}
const closed = (server) => new Promise((resolve, reject) => server.close((err) => (err ? reject(err) : resolve())))

async function answer(port, host) {
  const socket = net.connect(port, host)
  const [chunk] = await once(socket, 'data')
  socket.destroy()
  return String(chunk)
}

const forms = [
  [(port) => [port], '::', 'IPv6'],
  [(port) => [String(port)], '::', 'IPv6'],
  [(port) => [port, '127.0.0.1'], '127.0.0.1', 'IPv4'],
  [(port) => [{ port, host: '127.0.0.1', backlog: 5 }], '127.0.0.1', 'IPv4'],
  [(port) => [{ port, host: '::1', ipv6Only: true }], '::1', 'IPv6'],
  [(port) => [{ port, host: 'localhost', exclusive: true }], null, null],
]
for (const [args, address, family] of forms) {
  const port = await freePort()
  const server = net.createServer((socket) => socket.end('hello')).listen(...args(port))
  await once(server, 'listening')
  if (address !== null) assert.deepEqual(server.address(), { address, family, port })
  assert.equal(server.listening, true)
  assert.equal(await answer(port, server.address().address), 'hello')
  await closed(server)
}

const port = await freePort()
const server = http.createServer((request, response) => response.end('http'))
await new Promise((resolve) => server.listen(port, resolve))
const response = await new Promise((resolve) => http.get({ port, agent: false }, resolve))
assert.equal(response.statusCode, 200)
response.resume()
await once(response, 'end')
await closed(server)

// The same server may listen again.
server.listen(port)
await once(server, 'listening')
await closed(server)
console.log('as it should be')
