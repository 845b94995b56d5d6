// TCP: half-open ends, back-pressure, addresses, timeouts, refused and reset connections
const net = require('node:net')
const { once } = require('node:events')
async function main() {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    let size = 0
    socket.on('data', (chunk) => { size += chunk.length }).on('end', () => socket.end(`got ${size}`))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port, address, family } = server.address()
  console.log(address, family, port > 0, server.listening)
  const client = net.connect({ port, host: '127.0.0.1' })
  await once(client, 'connect')
  console.log(client.remoteFamily, client.remotePort === port, client.localAddress, client.readyState)
  const whole = Buffer.alloc(3e6, 'x')
  console.log(client.write(whole), client.bytesWritten >= 0)
  client.end()
  let answer = ''
  for await (const chunk of client.setEncoding('utf8')) answer += chunk
  console.log(answer, client.bytesRead, client.bytesWritten, client.destroyed)
  const [err] = await once(net.connect(port + 0, '127.0.0.1').on('connect', function () { this.setTimeout(5).on('timeout', () => this.destroy(new Error('idle'))) }), 'error')
    .catch((err) => [err])
  console.log(err.message)
  server.close()
  await once(server, 'close')
  await once(net.connect(port, '127.0.0.1'), 'connect').catch((err) => console.log(err.code, err.syscall, err.address, err.port === port))
  const resets = net.createServer((socket) => socket.resetAndDestroy()).listen(0, '127.0.0.1')
  await once(resets, 'listening')
  const cut = net.connect(resets.address().port, '127.0.0.1')
  await once(cut.resume(), 'close').catch((err) => console.log(err.code))
  resets.close()
  console.log(net.isIP('::1'), net.isIPv4('1.2.3'), new net.BlockList().check('1.1.1.1'))
  const list = new net.BlockList()
  list.addSubnet('10.0.0.0', 8)
  console.log(list.check('10.9.9.9'), list.rules)
  net.connect(70000).on('error', () => {})
}
main().catch((err) => console.log(err.code))
