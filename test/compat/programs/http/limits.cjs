// Time-outs, header limits, aborted requests, destroyed responses, and what each side is told
const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const closed = (emitter) => new Promise((resolve) => emitter.once('close', resolve))
const server = http.createServer((request, response) => {
  if (request.url === '/never') request.on('close', () => console.log('server: closed', request.aborted))
  else if (request.url === '/cut') { response.write('part'); setImmediate(() => response.destroy()) }
  else response.end('fine')
})
server.requestTimeout = 0
server.headersTimeout = 0
async function main() {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address()
  const stop = new AbortController()
  const waiting = http.get({ port, host: '127.0.0.1', path: '/never', signal: stop.signal })
  waiting.on('error', (err) => console.log('client:', err.name, err.code))
  waiting.on('socket', (socket) => socket.on('connect', () => setTimeout(() => stop.abort(), 30)))
  await closed(waiting)
  const slow = http.get({ port, host: '127.0.0.1', path: '/never', timeout: 30, agent: false })
  slow.on('timeout', () => { console.log('timeout'); slow.destroy() }).on('error', (err) => console.log(err.code))
  await closed(slow)
  const [cut] = await once(http.get({ port, host: '127.0.0.1', path: '/cut', agent: false }), 'response')
  cut.on('error', (err) => console.log(err.code, err.message)).on('aborted', () => console.log('aborted')).resume()
  await closed(cut)
  console.log(cut.complete)
  const big = net.connect(port, '127.0.0.1')
  big.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20000)}\r\n\r\n`)
  console.log(String((await once(big, 'data'))[0]).split('\r\n')[0])
  for (const attempt of [() => http.get({ path: '/a b' }), () => http.request({ headers: { 'bad name': 1 } }), () => http.request({ headers: { name: 'a\nb' } }),
    () => http.request({ method: 'B AD' }), () => http.request({ protocol: 'ftp:' })]) try { attempt() } catch (err) { console.log(err.code) }
  server.close()
  server.closeAllConnections()
}
main()
