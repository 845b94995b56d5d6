// WebSockets by `ws`: says its pid, answers what it gets. How they end in a reload says the argument, as in events.js.
const { WebSocketServer } = require(`${process.env.COMPAT_PACKAGES}/node_modules/ws`)
const [port, way] = process.argv.slice(2)

function serve(mesh) {
  const server = new WebSocketServer({ port: Number(port), host: '127.0.0.1' }, () => console.log('listening'))
  const end = () => Promise.all([...server.clients].map((socket) => {
    socket.close(1001, 'reload')
    return new Promise((resolve) => socket.on('close', resolve))
  }))
  mesh?.on('closing', () => way === 'closing' && end())
  if (way === 'hook') mesh.onClose(end)
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data) => socket.send(String(data)))
    socket.send(String(process.pid))
  })
}
if (way === 'never') serve()
else require('warren').join().then(serve)
