// The first request to a server and the first of a client, done in the zygote over real sockets, so that their code is
// compiled in the pages all nodes share. All of it is closed before the first fork. boot.js says why.
'use strict'

const MS_MAX = 1000

exports.rehearse = async (count) => {
  const until = performance.now() + MS_MAX
  try {
    for (let i = 0; i < count && performance.now() < until; i++) await once()
  } catch { /* no loopback here: one rehearsed less */ }
}

// As small programs do it: with a body, with headers, with a connection that is closed.
async function once() {
  const http = require('http')
  const server = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ url: request.url, method: request.method }))
  })
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  try {
    await ask(http, server.address().port)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

const ask = (http, port) => new Promise((resolve, reject) => {
  const request = http.get({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => {
    response.setEncoding('utf8').on('data', () => {}).on('error', reject).on('close', resolve)
  })
  request.on('error', reject)
})
