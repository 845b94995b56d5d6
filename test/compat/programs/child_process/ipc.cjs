// Messages between a program and its forks: order, serialization, handles, disconnect, errors, execArgv
const { fork } = require('node:child_process')
const { once } = require('node:events')
const net = require('node:net')
async function parent() {
  const child = fork(__filename, ['child'], { serialization: 'advanced', execArgv: ['--no-warnings'], env: { ...process.env, ROLE: 'advanced' } })
  child.send({ map: new Map([[1, { deep: new Set(['x']) }]]), date: new Date(5), bytes: new Uint8Array([1, 2]), big: 12n, un: undefined })
  console.log((await once(child, 'message'))[0])
  const order = []
  child.on('message', (message) => order.push(message))
  for (let i = 0; i < 1000; i++) child.send(i)
  child.send('end')
  await once(child, 'disconnect')
  console.log(order.length, order.pop(), order.every((value, i) => value === i), child.connected, (await once(child, 'exit'))[0])
  child.send('late', (err) => console.log(err.code))
  const json = fork(__filename, ['child'])
  json.send({ map: new Map(), date: new Date(5), un: undefined, not: NaN })
  console.log((await once(json, 'message'))[0])
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  json.send('server', server)
  await once(json, 'message')
  const { port } = server.address()
  server.close()
  console.log((await net.connect(port, '127.0.0.1').setEncoding('utf8').toArray()).join(''))
  const own = net.createServer({ pauseOnConnect: true }, (socket) => { json.send('socket', socket); own.close() }).listen(0, '127.0.0.1')
  await once(own, 'listening')
  console.log((await net.connect(own.address().port, '127.0.0.1').setEncoding('utf8').toArray()).join(''))
  try { json.send(() => {}) } catch (err) { console.log(err.code) }
  json.disconnect()
  console.log(await once(json, 'exit'))
  const dies = fork(__filename, ['dies'], { silent: true })
  console.log((await dies.stderr.setEncoding('utf8').toArray()).join('').includes('Error: on purpose'), dies.exitCode ?? (await once(dies, 'exit'))[0])
}
function child() {
  process.on('message', (message, handle) => {
    if (message === 'end') return process.send('over', () => process.disconnect())
    if (message === 'server') { handle.on('connection', (socket) => { socket.end(`child has the server`); handle.close() }); return process.send('taken') }
    if (message === 'socket') return handle.end('child has the socket')
    process.send(typeof message === 'number' ? message : { ...message, execArgv: process.execArgv, role: process.env.ROLE, argv: process.argv.slice(2), connected: process.connected })
  })
}
if (process.argv[2] === 'child') child()
else if (process.argv[2] === 'dies') throw new Error('on purpose')
else parent()
