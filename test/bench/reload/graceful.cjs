// The same with what PM2's manual asks of a program: it closes its server on SIGINT, and ends when that is done.
const http = require('node:http')
const server = http.createServer((request, response) => response.end('hello'))
server.listen(Number(process.argv[2]), '127.0.0.1')
process.on('SIGINT', () => server.close(() => process.exit(0)))
