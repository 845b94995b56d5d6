// ioredis against a real redis-server: types, pipelines, transactions, scripts, pub/sub, streams, blocking reads, reconnects
const Redis = require('ioredis')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const os = require('node:os')
const path = require('node:path')
const socket = path.join(os.tmpdir(), 'redis.sock')
// Debian's redis-tools has the server under this name, and no service with it.
const server = spawn('redis-check-rdb', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', os.tmpdir()], { argv0: 'redis-server' })
const until = async (stream, words) => { let text = ''; for await (const chunk of stream.setEncoding('utf8').iterator({ destroyOnReturn: false })) if ((text += chunk).includes(words)) return stream.resume() }
async function main() {
  await until(server.stdout, 'accept connections')
  const redis = new Redis(socket, { retryStrategy: () => 10 })
  const ready = once(redis, 'ready')
  redis.on('error', () => {}) // how a cut connection is noticed, by its end or by a write, is a race
  await ready
  console.log(await redis.set('a', '1', 'EX', 100), await redis.get('a'), await redis.incrby('a', 41), await redis.get('none'), await redis.ttl('a') > 90)
  console.log(await redis.hset('h', { one: 1, two: 'ü' }), await redis.hgetall('h'), await redis.getBuffer('a'))
  console.log(await redis.rpush('l', 1, 2, 3), await redis.lrange('l', 0, -1), await redis.zadd('z', 2, 'b', 1, 'a'), await redis.zrange('z', 0, -1, 'WITHSCORES'))
  console.log(JSON.stringify(await redis.pipeline().set('p', 1).incr('p').lpop('p').exec().then((all) => all.map(([err, value]) => err?.message ?? value))))
  console.log(await redis.multi().incr('m').incr('m').exec())
  await redis.get('l').catch((err) => console.log(err.name, err.message))
  redis.defineCommand('double', { numberOfKeys: 1, lua: 'return redis.call("get", KEYS[1]) * ARGV[1]' })
  console.log(await redis.double('a', 2))
  const listener = redis.duplicate()
  await listener.subscribe('news')
  await listener.psubscribe('n*')
  const messages = Promise.all([once(listener, 'message'), once(listener, 'pmessage')])
  console.log(await redis.publish('news', 'hello'), JSON.stringify(await messages))
  const blocked = redis.duplicate()
  const popped = blocked.blpop('queue', 10)
  await redis.rpush('queue', 'job')
  console.log(await popped)
  await redis.xadd('s', '1-1', 'field', 'value')
  console.log(JSON.stringify(await redis.xread('STREAMS', 's', '0')))
  for (let i = 0; i < 100; i++) await redis.set(`key:${i}`, i)
  const found = []
  for await (const keys of redis.scanStream({ match: 'key:*', count: 10 })) found.push(...keys)
  console.log(new Set(found).size)
  const again = Promise.all([redis, blocked].map((client) => once(client, 'ready'))) // both lose their connection
  for (const client of [listener, blocked]) client.on('error', () => {})
  await redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'no').catch(() => {})
  await again
  console.log(await redis.get('a'), redis.status)
  await Promise.all([listener.quit(), blocked.quit(), redis.quit()])
  server.kill()
  console.log((await once(server, 'exit'))[0])
}
main()
