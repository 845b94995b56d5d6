// Resolvers ask their own server: records of each kind, errors, time-outs, cancelling, and lookup of /etc/hosts
const dns = require('node:dns')
const dgram = require('node:dgram')
const { once } = require('node:events')
const name = (text) => Buffer.concat([...text.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])), Buffer.from([0])])
const short = (n) => Buffer.from([n >> 8, n & 255])
const DATA = {
  A: [1, Buffer.from([10, 0, 0, 1])], AAAA: [28, Buffer.from('20010db8000000000000000000000001', 'hex')], MX: [15, Buffer.concat([short(5), name('mail.test')])],
  TXT: [16, Buffer.concat([Buffer.from([4]), Buffer.from('text')])], SRV: [33, Buffer.concat([short(1), short(2), short(80), name('srv.test')])],
  NS: [2, name('ns.test')], CNAME: [5, name('other.test')], PTR: [12, name('host.test')],
  SOA: [6, Buffer.concat([name('ns.test'), name('admin.test'), ...[1, 2, 3, 4, 5].map((n) => Buffer.from([0, 0, 0, n]))])],
}
function answer(query) {
  const end = query.indexOf(0, 12) + 5
  const type = query.readUInt16BE(end - 4)
  const asked = query.subarray(12, end).toString('latin1')
  if (asked.includes('silent')) return null
  const code = asked.includes('missing') ? 3 : asked.includes('refused') ? 5 : 0
  const found = Object.values(DATA).find(([number]) => number === type)
  const record = code === 0 && found ? Buffer.concat([Buffer.from([0xc0, 12]), short(type), short(1), Buffer.from([0, 0, 0, 60]), short(found[1].length), found[1]]) : Buffer.alloc(0)
  return Buffer.concat([query.subarray(0, 2), short(0x8180 | code), short(1), short(record.length ? 1 : 0), short(0), short(0), query.subarray(12, end), record])
}
async function main() {
  const server = dgram.createSocket('udp4')
  server.on('message', (query, from) => { const reply = answer(query); if (reply) server.send(reply, from.port) }).bind(0, '127.0.0.1')
  await once(server, 'listening')
  const resolver = new dns.promises.Resolver({ timeout: 50, tries: 1 })
  resolver.setServers([`127.0.0.1:${server.address().port}`])
  for (const type of Object.keys(DATA)) console.log(type, JSON.stringify(await resolver.resolve('name.test', type)))
  console.log(JSON.stringify(await resolver.resolve4('name.test', { ttl: true })), await resolver.reverse('10.0.0.1'))
  for (const host of ['missing.test', 'refused.test', 'silent.test']) await resolver.resolve4(host).catch((err) => console.log(err.code, err.syscall, err.hostname))
  const cancelled = resolver.resolve4('silent.test')
  resolver.cancel()
  await cancelled.catch((err) => console.log(err.code))
  dns.setServers([`127.0.0.1:${server.address().port}`])
  dns.resolveMx('name.test', (err, records) => {
    console.log(err, JSON.stringify(records), dns.getServers().length)
    server.close()
    names()
  })
}
async function names() {
  console.log(JSON.stringify(await dns.promises.lookup('127.0.0.1')), (await dns.promises.lookup('localhost', { family: 4 })).address, dns.getDefaultResultOrder())
  await dns.promises.lookup('no such host.invalid').catch((err) => console.log(err.code, err.syscall))
  console.log(await dns.promises.lookupService('127.0.0.1', 22).then(({ service }) => service, (err) => err.code))
  try { dns.setServers(['nonsense']) } catch (err) { console.log(err.code) }
}
main()
