// undici: request, stream, pipeline, fetch, pools, pipelining, mocks, proxies of interceptors, time-outs, aborts
import { request, stream, fetch, Pool, Client, Agent, MockAgent, FormData, errors, setGlobalDispatcher } from 'undici'
import http from 'node:http'
import { once } from 'node:events'
import { Writable } from 'node:stream'
const server = http.createServer(async (incoming, response) => {
  let body = ''
  for await (const chunk of incoming.setEncoding('latin1')) body += chunk
  if (incoming.url === '/slow') return
  if (incoming.url === '/busy') { response.writeHead(503); return response.end() }
  if (incoming.url === '/moved') { response.writeHead(302, { Location: '/there' }); return response.end() }
  response.setHeader('x-path', incoming.url)
  response.end(JSON.stringify({ method: incoming.method, url: incoming.url, length: body.length, type: incoming.headers['content-type']?.split(';')[0] }))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${server.address().port}`
const { statusCode, headers, body } = await request(`${origin}/get?a=1`, { query: undefined, headers: { accept: 'x' } })
console.log(statusCode, headers['x-path'], JSON.stringify(await body.json()))
let streamed = ''
await stream(`${origin}/stream`, { method: 'PUT', body: 'abc' }, () => new Writable({ write(chunk, _, done) { streamed += chunk; done() } }))
console.log(streamed)
const form = new FormData()
form.set('field', 'value')
console.log(await (await fetch(`${origin}/form`, { method: 'POST', body: form })).text())
const moved = await fetch(`${origin}/moved`)
console.log(moved.redirected, new URL(moved.url).pathname)
const pool = new Pool(origin, { connections: 3, pipelining: 2 })
console.log((await Promise.all(Array.from({ length: 20 }, async (_, i) => (await (await pool.request({ path: `/${i}`, method: 'GET' })).body.json()).url))).join())
await pool.close()
const client = new Client(origin, { headersTimeout: 50 })
await client.request({ path: '/slow', method: 'GET' }).catch((err) => console.log(err.code, err instanceof errors.UndiciError))
const stop = new AbortController()
setTimeout(() => stop.abort(), 10)
await client.request({ path: '/slow', method: 'GET', signal: stop.signal }).catch((err) => console.log(err.name))
await client.destroy()
await client.request({ path: '/', method: 'GET' }).catch((err) => console.log(err.code))
const agent = new Agent({ factory: (host, options) => new Pool(host, { ...options, connections: 1 }) })
const busy = await request(`${origin}/busy`, { dispatcher: agent })
console.log(busy.statusCode, (await busy.body.text()).length)
await agent.close()
const mock = new MockAgent()
mock.disableNetConnect()
mock.get('http://mocked.test').intercept({ path: '/x', method: 'GET' }).reply(200, { mocked: true })
setGlobalDispatcher(mock)
console.log(await (await fetch('http://mocked.test/x')).text())
await fetch('http://mocked.test/y').catch((err) => console.log(err.message, err.cause.code))
server.closeAllConnections()
server.close()
setTimeout(() => process.exit(), 10).unref()
