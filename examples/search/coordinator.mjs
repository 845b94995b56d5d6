// The coordinator: finds the files, hands them to the shards in batches, and hands them out again when a shard dies.
//   warren run -d coordinator.mjs --name coordinator -- [--max-files N] [DIR...]
//
// It publishes `search.progress` twice a second while there is work, `search.ready` when all is indexed,
// `search.shard.up` and `search.shard.down`; and it serves `coordinator.status`.
import { existsSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { join } from 'warren'
import { rootsOf, walk } from './walk.mjs'
import { Work } from './work.mjs'

const DEFAULT_ROOTS = ['/usr/share/doc', '/usr/share/common-licenses', '/usr/include']
const BATCH_FILES = 32
const BATCH_TIMEOUT_MS = 60_000
const RETRY_MS = 500
const PROGRESS_MS = 500

const { filesMax, roots } = readArguments()
const mesh = await join()
const shardService = mesh.client('shard')
const work = new Work({ outMax: 2 })
const shards = new Map() // id -> peer
const run = Date.now() // names this index; grows with every start
const found = { files: 0, unreadable: 0, isCapped: false, isDone: false }
const pass = { startedAt: performance.now(), files: 0, isOver: false, seconds: 0 }
let ticker

function addShard(peer) {
  if (shards.has(peer.id)) return
  shards.set(peer.id, peer)
  work.addShard(peer.id)
  mesh.monitor(peer).down.then(down => removeShard(peer, down))
  // Nothing hangs on the answer: every batch names the run too. But a shard that gets none must not keep an old one.
  shardService.begin({ run }, { to: peer }).catch(error => console.error(`begin at ${peer.name}: ${error.message}`))
  mesh.publish('search.shard.up', { shard: peer.name, pid: peer.pid })
  handOut()
}

function removeShard(peer, { reason, code, signal }) {
  shards.delete(peer.id)
  const lost = work.removeShard(peer.id)
  mesh.publish('search.shard.down', { shard: peer.name, pid: peer.pid, reason, code, signal, lost })
  beginPass()
  handOut()
}

// Gives every shard as much as it may have at a time. The one that answers gets the next batch, so a fast shard
// does more, and a slow one is not buried.
function handOut() {
  for (let next; (next = work.next()); ) send(shards.get(next.shard), next.batch)
  endPass()
}

async function send(peer, batch) {
  while (shards.has(peer.id)) {
    try {
      const request = { run, batch: batch.id, paths: batch.paths }
      const result = await shardService.add(request, { to: peer, timeout: BATCH_TIMEOUT_MS })
      if (work.finish(peer.id, batch, result)) pass.files += result.files
      return handOut()
    } catch (error) {
      // Of its death the monitor tells. If it lives, it may have indexed the batch and we only missed the answer:
      // nobody but this shard may be given it, and asking twice does no harm.
      if (shards.has(peer.id)) console.error(`batch ${batch.id} at ${peer.name}: ${error.message}; asking again`)
      await sleep(RETRY_MS)
    }
  }
}

function beginPass() {
  if (ticker === undefined) Object.assign(pass, { startedAt: performance.now(), files: 0, isOver: false })
  ticker ??= setInterval(() => mesh.publish('search.progress', status()), PROGRESS_MS)
}

function endPass() {
  if (pass.isOver || !found.isDone || !work.isDone) return
  pass.seconds = (performance.now() - pass.startedAt) / 1000
  pass.isOver = true
  clearInterval(ticker)
  ticker = undefined
  mesh.publish('search.ready', status())
  const { files } = work.progress
  console.log(`ready: ${files} files in ${shards.size} shards, ${pass.files} of them indexed in ${pass.seconds.toFixed(1)} s`)
}

function status() {
  const { skipped, ...progress } = work.progress
  if (found.unreadable > 0) skipped['unreadable directory'] = found.unreadable
  const seconds = pass.isOver ? pass.seconds : (performance.now() - pass.startedAt) / 1000
  return {
    run,
    done: pass.isOver,
    found: found.files,
    capped: found.isCapped,
    ...progress,
    skipped,
    seconds,
    filesPerSecond: Math.round(pass.files / seconds),
    shards: Array.from(shards.values(), peer => ({ name: peer.name, pid: peer.pid, ...work.holdings(peer.id) }))
  }
}

// Walks the directories while the shards already work; it lets their answers in between two batches.
async function findFiles() {
  let paths = []
  const flush = () => {
    if (paths.length > 0) work.addBatch(paths)
    paths = []
    handOut()
  }
  for (const root of roots) {
    for (const path of walk(root, () => found.unreadable++)) {
      if (found.files === filesMax) {
        found.isCapped = true
        break
      }
      found.files++
      if (paths.push(path) < BATCH_FILES) continue
      flush()
      await nextTurn()
    }
  }
  found.isDone = true
  flush()
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { 'max-files': { type: 'string', default: '1000000' } }
    })
    const filesMax = Number(values['max-files'])
    if (!Number.isInteger(filesMax) || filesMax < 1) throw new Error('--max-files takes a whole number above 0')
    // Of the directories we chose ourselves a small Debian lacks some; one that was asked for must be there.
    return { filesMax, roots: rootsOf(positionals.length > 0 ? positionals : DEFAULT_ROOTS.filter(existsSync)) }
  } catch (error) {
    console.error(`coordinator: ${error.message}`)
    process.exit(2)
  }
}

mesh.on('service:up', (name, peer) => name === 'shard' && addShard(peer))
mesh.instances('shard').forEach(addShard)
await mesh.serve('coordinator', { status })
beginPass()
await findFiles()
