// Prints the ids of its DNS queries: they must be no guess for a neighbour.
const dgram = require('node:dgram')
const dns = require('node:dns')
const server = dgram.createSocket('udp4')
const ids = []
server.on('message', (message) => {
  if (ids.push(message.readUInt16BE(0)) < 4) return
  console.log(ids.join(' '))
  process.exit(0)
}).bind(0, '127.0.0.1', () => {
  dns.setServers([`127.0.0.1:${server.address().port}`])
  for (let i = 0; i < 4; i++) dns.resolve4(`name${i}.test`, () => {})
})
