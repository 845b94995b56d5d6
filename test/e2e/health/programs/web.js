// A server of the kind that SERVER names, which answers /healthz as the test has told it, at first as FIRST says; it knows nothing
// of Warren. What it is told: lines of JSON from the test.
const net = require('node:net')
const { FIRST = '200', SERVER = 'http', PORT } = process.env

let how = JSON.parse(FIRST)
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
say({ pid: process.pid })

const answers = {
  hang: () => {},
  endless(response) {
    response.on('close', () => say({ closed: true }))
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(16 << 10)));
      if (!response.destroyed) response.once('drain', write)
    }
    write()
  },
}

function answer(request, response) {
  if (request.url !== '/healthz') return response.end(`${process.pid}`)
  if (how in answers) return answers[how](response)
  response.writeHead(Number(how), { location: 'http://nowhere.example/' })
  response.end('as I was told')
}

const makers = {
  http: () => require('node:http').createServer(answer).listen(PORT ?? 0, '127.0.0.1'),
  https: () => require('node:https').createServer(answer).listen(0),
  http2: () => require('node:http2').createServer(answer).listen(0),
  https2: () => require('node:http2').createSecureServer({ allowHTTP1: true }, answer).listen(0),
  express: () => {
    const server = require('node:http').createServer((request, response) => {
      if (!net.isIP(request.socket.remoteAddress) || request.headers.host !== 'localhost') throw new Error('a strange request')
      answer(request, response)
    })
    return server.listen(0)
  },
  two: () => { // the service's own, and before it a private one that is never well
    require('node:http').createServer((request, response) => response.writeHead(500).end())
      .listen({ port: process.env.OTHER_PORT, host: '127.0.0.1', exclusive: true })
    return makers.http()
  },
  none: () => setInterval(() => {}, 1000),
}
makers[SERVER]()

socket.on('data', (data) => {
  for (const line of data.toString().trim().split('\n')) {
    const told = JSON.parse(line)
    if (told === 'spin') for (;;);
    how = told
    say({ told })
  }
})
