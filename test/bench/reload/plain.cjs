// A web server as most are written: nothing in it knows of a reload.
const http = require('node:http')
http.createServer((request, response) => response.end('hello')).listen(Number(process.argv[2]), '127.0.0.1')
