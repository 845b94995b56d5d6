// Answers with its pid; GET /die ends it.
const http = require('node:http')
const port = Number(process.argv[2])
const server = http.createServer((request, response) => {
  if (request.url === '/die') process.kill(process.pid, 'SIGKILL')
  response.setHeader('Connection', 'close')
  response.end(String(process.pid))
})
server.on('error', (err) => {
  console.error(`${err.code} ${err.message}`)
  process.exit(9)
})
server.listen(port, '127.0.0.1', () => console.log('listening'))
