// Gives the sign of readiness that the test asks for, when it asks for it, and says what became of that.
const net = require('node:net')
const http = require('node:http')
const { join } = require('warren')

const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
say({ pid: process.pid, send: typeof process.send, connected: process.connected, variable: process.env.WARREN_READY })

const signs = {
  join: () => join(),
  serve: async () => (await join()).serve('sign', { hello: () => 'hello' }),
  mesh: async () => (await join()).ready(),
  listen: (port) => new Promise((resolve) => http.createServer().listen(Number(port), '127.0.0.1', resolve)),
  message: () => new Promise((resolve, reject) => process.send('ready', (err) => (err ? reject(err) : resolve()))),
  other: () => new Promise((resolve, reject) => process.send({ metrics: 1 }, (err) => (err ? reject(err) : resolve()))),
  die: () => process.kill(process.pid, 'SIGSEGV'),
}

socket.on('data', async (data) => {
  for (const line of data.toString().trim().split('\n')) {
    const [sign, ...args] = line.split(' ')
    try {
      await signs[sign](...args)
      say({ done: sign })
    } catch (err) {
      say({ done: sign, error: err.message, code: err.code })
    }
  }
})
