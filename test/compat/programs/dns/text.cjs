// A TXT record of two strings
// @differs cold Debian's c-ares (1.18) gives a record's strings apart, stock Node.js 18.20's own (1.28) as one
// @differs forked as cold
const dns = require('node:dns')
const dgram = require('node:dgram')
const server = dgram.createSocket('udp4').on('message', (query, from) => {
  const end = query.indexOf(0, 12) + 5
  const head = Buffer.from('8180000100010000' + '0000', 'hex')
  server.send(Buffer.concat([query.subarray(0, 2), head, query.subarray(12, end), Buffer.from('c00c001000010000003c000a', 'hex'), Buffer.from('\x04some\x04text')]), from.port)
}).bind(0, '127.0.0.1', async () => {
  dns.setServers([`127.0.0.1:${server.address().port}`])
  console.log(await dns.promises.resolveTxt('name.test'))
  server.close()
})
