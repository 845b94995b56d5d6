// The story of the demo: launch the search, ask it, kill a shard, ask again. Started by ./demo, which owns the agent.
// This process is a member of the mesh like the nodes it watches: what it tells comes from their messages.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { dirname, join as joinPath, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, parseArgs, promisify } from 'node:util'
import { join } from 'warren'
import { number, say, showAnswer, showIndexed, showProgress } from './screen.mjs'

const SHARDS = 4
const FRONTS = 2
const STEP_MS = 100_000 // the longest that one thing may take
const WHOLE_MS = 5000 // the longest that answers may be partial when the index is whole
const QUERIES = ['free software license', 'without warranty', 'mutex timeout', 'bug report']
const here = dirname(fileURLToPath(import.meta.url))
const warren = joinPath(dirname(process.execPath), 'warren')

const { directories, filesMax, queries } = readArguments()
const mesh = await join({ name: 'demo' })
const events = mesh.subscribe('search.>')

async function main() {
  const startedAt = performance.now()
  const port = await freePort()
  const where = directories.length > 0 ? directories.join(' ') : 'the documentation and headers of this machine'
  say(`Searching ${where}, at most ${number(filesMax)} files:`)
  say(`${SHARDS} shards, ${FRONTS} fronts that share port ${port}, 1 coordinator`)

  await events.ready
  await launch('shard', SHARDS)
  await launch('front', FRONTS, '--port', port)
  await launch('coordinator', 1, '--max-files', filesMax, ...directories)
  showIndexed(await next('search.ready', 'the index'))
  await mesh.available('front', { count: FRONTS, timeout: STEP_MS })
  say(`\n${(await run('ps')).trimEnd()}`)

  const before = await askAll(port)
  before.forEach(showAnswer)
  await killOneShard(port, before[0])
  compare(before, await askAll(port))
  say(`All of that took ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`)
}

async function killOneShard(port, { query, total }) {
  const victim = mesh.instances('shard').at(-1)
  say(`\nkill -9 ${victim.pid}, which is ${victim.name}`)
  const killedAt = performance.now()
  process.kill(victim.pid, 'SIGKILL')

  const { reason, signal, lost } = await next('search.shard.down', 'the news of its death')
  const noticedMs = performance.now() - killedAt
  say(`  its death was noticed after ${noticedMs.toFixed(1)} ms (${reason}, ${signal}): ${number(lost.files)} files to index again`)

  const answer = await ask(port, query)
  const kind = answer.partial ? 'and says it is partial' : 'and is complete again'
  say(`  an answer meanwhile has ${number(answer.total)} of ${number(total)} matches, from ${answer.shards} shards, ${kind}`)

  const { seconds, filesPerSecond, shards } = await next('search.ready', 'the lost part of the index')
  say(`  indexed again in ${seconds.toFixed(1)} s, ${number(filesPerSecond)} files/s`)
  say(`  now: ${shards.map(shard => `${shard.name} ${number(shard.files)} files`).join(' · ')}`)
}

function compare(before, after) {
  const essence = ({ total, hits }) => ({ total, hits })
  const differing = before.filter((answer, i) => !isDeepStrictEqual(essence(answer), essence(after[i])))
  if (differing.length > 0) throw new Error(`answers differ after the death of a shard: "${differing[0].query}"`)
  say(`\nThe same ${before.length} queries again: equal answers, hit by hit and score by score.`)
}

// --- what was asked for ---------------------------------------------------------------------------------------------

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        'max-files': { type: 'string', default: '20000' },
        query: { type: 'string', multiple: true, default: QUERIES }
      }
    })
    const filesMax = Number(values['max-files'])
    if (!Number.isInteger(filesMax) || filesMax < 1) throw new Error('--max-files takes a whole number above 0')
    const directories = positionals.map(directory => resolve(directory))
    for (const directory of directories) {
      if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${directory} is not a directory`)
    }
    return { directories, filesMax, queries: values.query }
  } catch (error) {
    console.error(`demo: ${error.message}`)
    process.exit(2)
  }
}

// --- nodes and their messages ---------------------------------------------------------------------------------------

async function run(...args) {
  try {
    return (await promisify(execFile)(warren, args.map(String))).stdout
  } catch (error) {
    throw new Error(`warren ${args[0]}: ${error.stderr?.trim() || error.message}`)
  }
}

function launch(name, instances, ...args) {
  return run('run', '-d', '--name', name, '-i', instances, joinPath(here, `${name}.mjs`), '--', ...args)
}

// The next message on one subject. Messages of a node come in the order it sent them, so nothing is missed between
// two calls; progress on the way is shown.
async function next(subject, what) {
  const timer = setTimeout(() => fail(new Error(`${what} did not come within ${STEP_MS / 1000} s`)), STEP_MS)
  for await (const message of unending(events)) {
    if (message.subject === 'search.progress') showProgress(message.data)
    if (message.subject !== subject) continue
    clearTimeout(timer)
    return message.data
  }
}

// Leaving a `for await` would end the subscription; this keeps it.
function unending(iterator) {
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
}

// --- HTTP -----------------------------------------------------------------------------------------------------------

async function askAll(port) {
  const answers = []
  for (const query of queries) answers.push(await askUntilWhole(port, query))
  return answers
}

// A front may hear of a new shard a moment after the coordinator did: its answer says so, and is asked again.
async function askUntilWhole(port, query) {
  for (const endAt = performance.now() + WHOLE_MS; performance.now() < endAt; ) {
    const answer = await ask(port, query)
    if (!answer.partial) return answer
    await sleep(20)
  }
  throw new Error(`no complete answer to "${query}" within ${WHOLE_MS / 1000} s`)
}

function ask(port, query) {
  return new Promise((resolve, reject) => {
    // agent: false: a connection of its own for each query, which either front may take.
    const url = `http://127.0.0.1:${port}/search?${new URLSearchParams({ q: query, k: 10 })}`
    get(url, { agent: false, timeout: STEP_MS }, async response => {
      const chunks = await response.toArray()
      const body = JSON.parse(Buffer.concat(chunks))
      if (response.statusCode === 200) resolve({ ...body, front: response.headers['x-front'] })
      else reject(new Error(`the front answered ${response.statusCode}: ${body.error}`))
    }).on('error', reject)
  })
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise(closed => server.close(closed))
  return port
}

function fail(error) {
  console.error(`demo: ${error.message}`)
  process.exit(1)
}

await main().catch(fail)
await mesh.close()
