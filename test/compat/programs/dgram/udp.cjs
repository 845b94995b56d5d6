// UDP: bound and connected sockets, replies, sizes of buffers, multicast options, errors, abort signals
const dgram = require('node:dgram')
const { once } = require('node:events')
async function main() {
  const server = dgram.createSocket('udp4', (message, from) => server.send(`${message} from ${from.family} ${from.size}`, from.port, from.address)).bind(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  const client = dgram.createSocket({ type: 'udp4', recvBufferSize: 20000 })
  client.send([Buffer.from('two '), Buffer.from('parts')], port, '127.0.0.1')
  console.log(String((await once(client, 'message'))[0]), client.getRecvBufferSize() >= 20000)
  client.close()
  const connected = dgram.createSocket('udp4')
  connected.connect(port, '127.0.0.1')
  await once(connected, 'connect')
  console.log(connected.remoteAddress().port === port, connected.remoteAddress().family)
  connected.send('x')
  console.log(String((await once(connected, 'message'))[0]))
  try { connected.connect(port) } catch (err) { console.log(err.code) }
  connected.disconnect()
  try { connected.remoteAddress() } catch (err) { console.log(err.code) }
  connected.setBroadcast(true)
  connected.setTTL(3)
  connected.setMulticastLoopback(true)
  for (const attempt of [() => connected.setTTL(1000), () => connected.addMembership('1.2.3.4'), () => connected.send('x', 0), () => dgram.createSocket('udp5'), () => connected.setMulticastInterface('x')]) {
    try { attempt() } catch (err) { console.log(err.code) }
  }
  const failed = await new Promise((resolve) => connected.send(Buffer.alloc(70000), port, '127.0.0.1', resolve))
  console.log(failed.code, failed.syscall)
  const taken = dgram.createSocket('udp4').bind(port, '127.0.0.1')
  console.log((await once(taken, 'error'))[0].code)
  const stop = new AbortController()
  const aborted = dgram.createSocket({ type: 'udp6', ipv6Only: true, signal: stop.signal })
  stop.abort()
  await once(aborted, 'close')
  connected.close(() => console.log('closed'))
  server.close().on('close', () => console.log('server closed'))
}
main()
