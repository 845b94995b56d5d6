// HTTP/2: streams side by side, headers, push, trailers, resets, settings, ping, goaway, the compatibility API
const http2 = require('node:http2')
const { once } = require('node:events')
const text = async (stream) => { let out = ''; for await (const chunk of stream.setEncoding('utf8')) out += chunk; return out }
async function main() {
  const server = http2.createServer()
  server.on('stream', (stream, headers) => {
    stream.on('error', (err) => console.log('server', err.code))
    if (headers[':path'] === '/reset') return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
    if (headers[':path'] === '/push') {
      stream.pushStream({ ':path': '/pushed' }, (err, pushed) => { pushed.respond({ ':status': 200 }); pushed.end('pushed') })
    }
    stream.respond({ ':status': 200, 'x-path': headers[':path'] }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }))
    stream.end(`answer to ${headers[':method']} ${headers[':path']}`)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`, { settings: { initialWindowSize: 1 << 17 } })
  session.on('stream', async (pushed, headers) => console.log('push', headers[':path'], await text(pushed)))
  await once(session, 'connect')
  console.log(session.alpnProtocol, session.encrypted, session.localSettings.initialWindowSize >= 65535)
  const answers = await Promise.all([1, 2, 3].map(async (n) => {
    const stream = session.request({ ':path': `/${n}` })
    const [headers] = await once(stream, 'response')
    return `${headers[':status']} ${headers['x-path']} ${await text(stream)}`
  }))
  console.log(answers.join('\n'))
  const pushing = session.request({ ':path': '/push' })
  pushing.on('trailers', (trailers) => console.log(trailers['x-end']))
  console.log(await text(pushing))
  const reset = session.request({ ':path': '/reset' })
  await once(reset, 'close').catch((err) => console.log(err.code, err.message))
  console.log(reset.rstCode)
  await new Promise((resolve) => session.ping(Buffer.from('12345678'), (err, ms, payload) => { console.log(err, ms >= 0, String(payload)); resolve() }))
  console.log(session.remoteSettings.maxConcurrentStreams > 0, http2.getPackedSettings({ enablePush: false }).toString('hex'))
  session.close()
  await once(session, 'close')
  server.close()
  const compat = http2.createServer((request, response) => { response.setHeader('x-a', '1'); response.end(`${request.httpVersion} ${request.url}`) })
  await once(compat.listen(0, '127.0.0.1'), 'listening')
  const client = http2.connect(`http://127.0.0.1:${compat.address().port}`)
  console.log(await text(client.request({ ':path': '/c' })))
  client.destroy()
  compat.close()
}
main()
