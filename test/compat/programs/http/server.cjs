// An HTTP server and its clients: keep-alive, chunked bodies, headers, 100-continue, pipelining, upgrade, errors
const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  if (request.url === '/chunks') {
    response.writeHead(206, 'Some', { 'X-Many': ['a', 'b'], Trailer: 'X-Sum' })
    response.write('one ')
    response.addTrailers({ 'X-Sum': '2' })
    return response.end('two')
  }
  response.setHeader('Content-Type', 'text/plain')
  response.end(`${request.method} ${request.url} ${request.httpVersion} ${request.headers['x-name'] ?? ''} ${body}`)
})
server.on('checkContinue', (request, response) => { response.writeContinue(); server.emit('request', request, response) })
server.on('upgrade', (request, socket) => { socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello') })
server.on('clientError', (err, socket) => { console.log(err.code); socket.end('HTTP/1.1 400 Bad Request\r\n\r\n') })
const ask = (options, body) => new Promise((resolve, reject) => {
  const request = http.request({ port: server.address().port, host: '127.0.0.1', ...options }, async (response) => {
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    resolve({ text, response })
  }).on('error', reject)
  if (options.headers?.Expect) request.on('continue', () => request.end(body))
  else request.end(body)
})
async function main() {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (const n of [1, 2]) console.log((await ask({ agent, path: `/${n}`, headers: { 'X-Name': 'n' } })).text)
  console.log(Object.keys(agent.freeSockets).length, (await ask({ agent, method: 'POST', path: '/post' }, 'body')).text)
  agent.destroy()
  const { text, response } = await ask({ path: '/chunks' })
  console.log(text, response.statusCode, response.statusMessage, response.headers['x-many'], response.trailers, response.headers['transfer-encoding'])
  console.log((await ask({ method: 'PUT', path: '/continue', headers: { Expect: '100-continue' } }, 'sent later')).text)
  const upgrading = http.request({ port: server.address().port, host: '127.0.0.1', headers: { Connection: 'Upgrade', Upgrade: 'echo' } }).end()
  const [answer, socket, head] = await once(upgrading, 'upgrade')
  console.log(answer.statusCode, String(head) || String((await once(socket, 'data'))[0]))
  const raw = net.connect(server.address().port, '127.0.0.1')
  raw.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let piped = ''
  for await (const chunk of raw.setEncoding('utf8')) piped += chunk
  console.log(piped.match(/GET \/\w/g).join(), piped.includes('Keep-Alive: timeout=5'))
  const bad = net.connect(server.address().port, '127.0.0.1').end('nonsense\r\n\r\n')
  console.log(String((await once(bad, 'data'))[0]).split('\r\n')[0])
  server.close()
  server.closeAllConnections()
  await ask({ path: '/' }).catch((err) => console.log(err.code))
  console.log(http.STATUS_CODES[418], http.METHODS.length, http.maxHeaderSize)
}
main()
