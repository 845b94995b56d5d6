// A listening server keeps the process, and a closed one lets it go.
import { once } from 'node:events'
import net from 'node:net'

const probe = net.createServer().listen(0)
const { port } = probe.address()
await new Promise((resolve) => probe.close(resolve))

const server = net.createServer((socket) => socket.end()).listen(port)
await once(server, 'listening')
setTimeout(() => {
  const socket = net.connect(port).resume()
  socket.on('close', () => server.close(() => console.log('as it should be')))
}, 20).unref()
