// The HTTP front end. All instances share the port; any of them answers any query:
//   warren run -d front.mjs --name front -i 2 -- --port 8080 [--host ADDRESS] [--deadline MS]
//
//   GET /search?q=WORDS&k=10   200 { query, hits, total, shards, partial, ms } · 400 bad request · 503 no shards
//   GET /status                200 { front, shards, index }, index null while there is no coordinator
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { join } from 'warren'
import { NoShards, search } from './query.mjs'
import { termsOf } from './text.mjs'

const QUERY_LEN_MAX = 1000
const HITS_DEFAULT = 10
const HITS_MAX = 1000

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '127.0.0.1' },
    deadline: { type: 'string', default: '5000' }
  }
})
const timeout = Number(options.deadline)
const mesh = await join()

async function answer(request, signal) {
  const url = new URL(request.url, 'http://front')
  if (request.method !== 'GET') return [405, { error: 'only GET is answered here' }]
  if (url.pathname === '/search') return answerSearch(url.searchParams, signal)
  if (url.pathname === '/status') return [200, await status()]
  return [404, { error: 'there are /search?q=WORDS&k=10 and /status' }]
}

async function answerSearch(params, signal) {
  const startedAt = performance.now()
  const query = params.get('q') ?? ''
  const k = Number(params.get('k') ?? HITS_DEFAULT)
  if (query.length > QUERY_LEN_MAX) return [400, { error: `q is longer than ${QUERY_LEN_MAX} characters` }]
  if (termsOf(query).length === 0) return [400, { error: 'q has no words in it' }]
  if (!Number.isInteger(k) || k < 1 || k > HITS_MAX) return [400, { error: `k is not a number from 1 to ${HITS_MAX}` }]

  try {
    const result = await search(mesh, query, { k, signal, timeout })
    return [200, { ...result, ms: Math.round((performance.now() - startedAt) * 100) / 100 }]
  } catch (error) {
    if (error instanceof NoShards) return [503, { error: error.message }]
    throw error
  }
}

async function status() {
  const index = await mesh.client('coordinator').status(undefined, { timeout }).catch(() => null)
  return { front: mesh.self.name, shards: mesh.instances('shard').map(peer => peer.name), index }
}

const server = createServer(async (request, response) => {
  // Who hangs up is not interested any more: that cancels the calls to the shards.
  const hangup = new AbortController()
  response.on('close', () => hangup.abort())

  const [code, body] = await answer(request, hangup.signal).catch(error => {
    if (!hangup.signal.aborted) console.error(error)
    return [500, { error: 'something broke; see the log of the front' }]
  })
  if (!server.listening) response.setHeader('connection', 'close')
  response.writeHead(code, { 'content-type': 'application/json', 'x-front': mesh.self.name })
  response.end(JSON.stringify(body) + '\n')
})

server.on('error', error => {
  console.error(`cannot listen on ${options.host}:${options.port}: ${error.message}`)
  process.exit(1)
})
server.listen(Number(options.port), options.host, () => {
  console.log(`http://${options.host}:${options.port}/search?q=free+software`)
  mesh.serve('front', { status }) // who waits for the fronts asks the mesh: available('front')
})

// `warren stop` asks before it kills: answer what is under way, then leave.
process.once('SIGTERM', () => {
  server.close(() => mesh.close())
  server.closeIdleConnections()
})
