// ws: text and binary messages, fragments, compression, ping and pong, close codes, broadcasts, limits, streams
const { WebSocket, WebSocketServer, createWebSocketStream } = require('ws')
const { once } = require('node:events')
async function main() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 10 }, maxPayload: 1e6, handleProtocols: () => 'chat' })
  server.on('connection', (socket, request) => {
    socket.on('error', (err) => console.log('server', err.code))
    socket.on('message', (data, isBinary) => {
      if (String(data) === 'all') for (const client of server.clients) client.send('to all')
      else if (String(data) === 'end') socket.close(4001, 'as asked')
      else socket.send(data, { binary: isBinary })
    })
    socket.send(`hello ${request.url}`)
  })
  await once(server, 'listening')
  const open = async (path = '/') => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}${path}`, ['chat'])
    const [first] = await once(socket, 'message')
    return { socket, first: String(first) }
  }
  const { socket, first } = await open('/room?x=1')
  console.log(first, socket.protocol, socket.extensions, socket.readyState === WebSocket.OPEN)
  socket.send('ünïcode'.repeat(1000))
  console.log((await once(socket, 'message'))[0].length)
  socket.send(Buffer.from([0, 255, 1]))
  const [bytes, isBinary] = await once(socket, 'message')
  console.log(bytes, isBinary)
  socket.send('part one, ', { fin: false })
  socket.send('part two')
  console.log(String((await once(socket, 'message'))[0]))
  socket.ping('are you there')
  console.log(String((await once(socket, 'pong'))[0]))
  const second = await open()
  const both = [once(socket, 'message'), once(second.socket, 'message')]
  second.socket.send('all')
  console.log((await Promise.all(both)).map(([data]) => String(data)).join())
  second.socket.send('end')
  console.log(...(await once(second.socket, 'close')).map(String))
  const big = await open()
  big.socket.send(Buffer.alloc(2e6))
  console.log((await once(big.socket, 'close'))[0])
  const stream = createWebSocketStream((await open()).socket, { encoding: 'utf8' })
  stream.write('through a stream')
  for await (const text of stream) { console.log(text); break }
  const refused = await fetch(`http://127.0.0.1:${server.address().port}`)
  console.log(refused.status, await refused.text())
  for (const client of server.clients) client.terminate()
  server.close(() => console.log('closed'))
}
main()
