// Writes a numbered line for every line that the test sends, and says what it has written; `exit N` ends it, `spin MS` holds its loop.
const net = require('node:net')
const http = require('node:http')
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
say({ pid: process.pid })
if (process.argv[2]) http.createServer((request, response) => response.end(String(process.pid))).listen(Number(process.argv[2]), '127.0.0.1')

let count = 0
function spin(ms) {
  for (const end = Date.now() + ms; Date.now() < end; );
}
socket.on('data', (data) => {
  for (const line of data.toString().trim().split('\n')) {
    const [word, number] = line.split(' ')
    if (word === 'exit') process.exit(Number(number))
    if (word === 'spin') spin(Number(number))
    for (let i = 0; word === 'write' && i < Number(number); i++) console.log(`line ${process.pid} ${count++}`)
    process.stdout.write('', () => say({ count }))
  }
})
