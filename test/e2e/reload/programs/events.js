// Server-sent events: numbers, one for each byte of the file EVENTS, from the one behind Last-Event-ID on. How they end in a reload says the
// argument: when the node is `closing`, in a hook of `onClose`, or `never`.
const fs = require('node:fs')
const http = require('node:http')
const [port, way] = process.argv.slice(2)

function serve(mesh) {
  const open = new Set()
  const end = () => open.forEach((stream) => stream.response.end())
  mesh?.on('closing', () => way === 'closing' && end())
  if (way === 'hook') mesh.onClose(end)
  setInterval(() => {
    const { size } = fs.statSync(process.env.EVENTS)
    for (const stream of open) while (stream.last < size) stream.response.write(`id: ${++stream.last}\ndata: ${process.pid}\n\n`)
  }, 2)
  http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    // On a connection that it has kept: comes again on another one, for this response says that it is the last.
    if (mesh?.state === 'closing') return response.end()
    response.flushHeaders()
    const stream = { response, last: Number(request.headers['last-event-id'] ?? 0) }
    open.add(stream)
    response.on('close', () => open.delete(stream))
  }).listen(Number(port), '127.0.0.1', () => console.log('listening'))
}
if (way === 'never') serve()
else require('warren').join().then(serve)
