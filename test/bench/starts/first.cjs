// An HTTP server with some work of its own for each request; warmed where it is preloaded (`warren run --preload`).
'use strict'
const http = require('http')

const items = Array.from({ length: 200 }, (_, id) => ({ id, name: `item ${id}`, price: id / 7 }))
const handle = (request, response) => {
  const url = new URL(request.url, 'http://localhost')
  const from = Number(url.searchParams.get('from') ?? 0)
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(items.filter(({ id }) => id >= from).map((item) => ({ ...item, label: `${item.name}: ${item.price.toFixed(2)}` }))))
}
exports.serve = () => {
  const server = http.createServer(handle).listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
}

if (process.argv[2] !== 'alone') {
  // A preloaded module is loaded in the zygote: a request to the handler itself, as often as V8 needs to compile it.
  require('warren').warmUp(() => {
    const request = new http.IncomingMessage()
    request.url = '/?from=100'
    request.method = 'GET'
    const response = new http.ServerResponse(request)
    response.end = () => {}
    handle(request, response)
  })
}
