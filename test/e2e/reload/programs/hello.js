// Answers with its pid on the port that it is given.
const http = require('node:http')
const server = http.createServer((request, response) => response.end(String(process.pid)))
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
process.on('SIGUSR2', () => console.log('connections', server._connections))
