// Writes as much as it may, for ever, and tells the test each time that it had to wait.
const net = require('node:net')
const socket = net.connect(process.env.PROBE)
socket.write(JSON.stringify({ pid: process.pid }) + '\n')
const lines = `${'x'.repeat(99)}\n`.repeat(1000)
let written = 0
const more = () => {
  do written += lines.length
  while (process.stdout.write(lines))
  socket.write(JSON.stringify({ written }) + '\n')
}
process.stdout.on('drain', more)
more()
