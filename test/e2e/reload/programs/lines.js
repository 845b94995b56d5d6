// A plain TCP server that answers line by line, and one of HTTP/2 beside it.
const http2 = require('node:http2')
const net = require('node:net')
const port = Number(process.argv[2])
let open = 2
const listening = () => --open === 0 && console.log('listening')
net.createServer((socket) => socket.on('data', (data) => socket.write(`${process.pid} ${data}`)).on('error', () => {}))
  .listen(port, '127.0.0.1', listening)
const server = http2.createServer()
server.on('stream', (stream) => {
  stream.respond({ ':status': 200 })
  stream.end(String(process.pid))
})
server.listen(Number(process.argv[3]), '127.0.0.1', listening)
