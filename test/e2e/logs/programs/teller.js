// Says who it is to the test, and writes what the test tells it: lines of JSON on the probe's connection.
//   {"stdout" or "stderr": text, "times": n} · {"crash": true} · {"exit": code}
const net = require('node:net')
const socket = net.connect(process.env.PROBE)
socket.write(JSON.stringify({ pid: process.pid, args: process.argv.slice(2) }) + '\n')
let rest = ''
socket.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n')
  rest = lines.pop()
  for (const line of lines) {
    const { crash, exit, times = 1, ...texts } = JSON.parse(line)
    if (crash) process.kill(process.pid, 'SIGSEGV')
    if (exit !== undefined) process.exit(exit)
    for (const [stream, text] of Object.entries(texts)) for (let i = 0; i < times; i++) process[stream].write(text)
  }
})
