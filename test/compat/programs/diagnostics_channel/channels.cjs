// Channels: subscribers, symbols, removal, errors of subscribers, and Node's own channels of http, net and undici
const channels = require('node:diagnostics_channel')
const http = require('node:http')
const channel = channels.channel('mine')
const seen = (message, name) => console.log(String(name), message)
console.log(channel.hasSubscribers, channels.hasSubscribers('mine'), channel === channels.channel('mine'))
channel.subscribe(seen)
channel.publish({ n: 1 })
channels.subscribe('other', seen)
channels.channel('other').publish('text')
console.log(channel.unsubscribe(seen), channel.unsubscribe(seen), channel.hasSubscribers)
channel.publish('nobody')
const symbol = Symbol('named')
channels.channel(symbol).subscribe(seen)
channels.channel(symbol).publish(2)
process.once('uncaughtException', (err) => console.log('uncaught', err.message))
channel.subscribe(() => { throw new Error('in a subscriber') })
channel.publish('x')
try { channels.channel(1) } catch (err) { console.log(err.code) }
try { channel.subscribe('x') } catch (err) { console.log(err.code) }
const names = []
for (const name of ['http.client.request.start', 'http.client.response.finish', 'http.server.request.start', 'http.server.response.finish', 'net.client.socket', 'net.server.socket']) channels.subscribe(name, () => names.push(name))
const server = http.createServer((request, response) => response.end('x')).listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port, host: '127.0.0.1', agent: false }, (response) => response.resume().on('close', () => {
    server.close(() => console.log(names.sort().join('\n')))
  }))
})
