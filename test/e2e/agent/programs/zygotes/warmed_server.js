// Serves by warms.js, and says where.
const http = require('node:http')
const { handle } = require('./warms.js')
const server = http.createServer(handle).listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
