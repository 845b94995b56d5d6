// HTTP/2: answers at once (/now), or a moment later (/later), with its pid.
const http2 = require('node:http2')
const server = http2.createServer()
server.on('stream', (stream, headers) => {
  const answer = () => {
    if (stream.destroyed) return
    stream.respond({ ':status': 200 })
    stream.end(String(process.pid))
  }
  if (headers[':path'] === '/now') answer()
  else setTimeout(answer, 1 + (stream.id % 7))
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
