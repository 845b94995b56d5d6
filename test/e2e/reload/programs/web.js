// A web server for reloads: says which life it is of (the file LIFE, read at its start), keeps /slow open until SIGUSR2,
// writes down what happens to it, stands still at /stuck, and cannot start, or says nothing, when LIFE says so (`broken`, `mute`; `broken 2`: instance 2).
const fs = require('node:fs')
const http = require('node:http')
const life = process.env.LIFE ? fs.readFileSync(process.env.LIFE, 'utf8').trim() : 'life'

const instance = /\.(\d+):/.exec(process.title)?.[1]

if (life === 'broken' || life === `broken ${instance}`) throw new TypeError('this version is broken')
if (life === 'mute' || life === `mute ${instance}`) setInterval(() => {}, 1000)
else serve()

function serve() {
  const slow = []
  const server = http.createServer((request, response) => {
    if (request.url === '/slow') {
      console.log('slow one is here')
      return slow.push(response)
    }
    if (request.url === '/stuck') {
      fs.writeSync(1, 'stuck from now on\n')
      for (;;);
    }
    response.end(`${life} ${process.pid}`)
  })
  server.on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
  process.on('SIGUSR2', () => slow.splice(0).forEach((waiting) => waiting.end(`${life} to the end`)))
  process.on('SIGTERM', () => {
    console.log(`${life} is told to stop`)
    process.exit(0)
  })
}
