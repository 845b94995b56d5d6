// Writes more than stdout takes; tells the test whether the loop turned while it was full.
const net = require('node:net')
const socket = net.connect(process.env.PROBE, () => {
  socket.write(JSON.stringify({ pid: process.pid }) + '\n')
  process.stdout.write('x'.repeat(16 << 20))
  setTimeout(() => socket.end(JSON.stringify({ isFull: process.stdout.writableLength > 0 }) + '\n'), 1)
})
