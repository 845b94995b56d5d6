// Rule: at most once. Whatever dies, no handler runs twice for one call, no reader gets one message twice, and `delivered:
// 'no'` means that the handler did not run. (Links that break between hosts, under the same bookkeeping: e2e/hosts.)
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

const DEATHS = 6

let cluster, caller
before(async () => {
  cluster = await Cluster.start()
  caller = await cluster.member('caller')
})
after(() => cluster.stop())

// Writes down each call before it does anything, so that its death loses nothing of the record.
const serve = async (number) => {
  const server = await cluster.member(`server${number}`)
  await server.run(async (mesh, keep, file) => {
    const { appendFileSync } = await import('node:fs')
    await mesh.serve('work', { run(id) { appendFileSync(file, `${id}\n`); return id } })
    const words = mesh.subscribe('words', { queue: 'readers' })
    await words.ready
    ;(async () => { for await (const m of words) appendFileSync(file, `word ${m.data}\n`) })()
  }, join(cluster.dir, `record${number}`))
  return server
}

test('while servers are killed, each call runs at most once, and as its outcome says; each message comes at most once', async () => {
  const servers = [await serve(0), await serve(1)]
  await caller.run((mesh, keep) => {
    keep.outcomes = []
    keep.isOver = false
    keep.words = 0
    const one = async () => {
      while (!keep.isOver) {
        const id = keep.outcomes.length
        keep.outcomes.push('open')
        mesh.publish('words', keep.words++)
        keep.outcomes[id] = await mesh.client('work').run(id, { timeout: 10_000 }).then(value => (value === id ? 'answered' : 'wrong'), err => err.delivered)
      }
    }
    keep.work = mesh.available('work').then(() => Promise.all(Array.from({ length: 32 }, one)))
  })
  for (let deaths = 0; deaths < DEATHS; deaths++) {
    servers.push(await serve(servers.length))
    const done = await caller.run((mesh, keep) => keep.outcomes.length)
    await caller.run(async (mesh, keep, more) => { while (keep.outcomes.length < more) await new Promise(setImmediate) }, done + 500)
    await servers[deaths].kill()
  }
  const [outcomes, words] = await caller.run(async (mesh, keep) => {
    keep.isOver = true
    await keep.work
    await mesh.flush()
    return [keep.outcomes, keep.words]
  })
  // Behind all messages on the links to those that live.
  for (const server of servers.slice(DEATHS)) {
    await caller.run(async (mesh, keep, name) => mesh.client('work').run(-1, { to: [...mesh.peers.values()].find(p => p.name === name) }), `server${servers.indexOf(server)}`)
  }
  const lines = servers.flatMap((_, number) => readFileSync(join(cluster.dir, `record${number}`), 'utf8').split('\n').slice(0, -1))
  const count = (isOne) => {
    const counts = new Map()
    for (const line of lines.filter(isOne)) counts.set(line, (counts.get(line) ?? 0) + 1)
    return counts
  }
  const runs = count(line => !line.startsWith('word') && line !== '-1'), read = count(line => line.startsWith('word'))
  assert.deepEqual([...runs, ...read].filter(([, times]) => times > 1), [])
  const wrong = outcomes.map((outcome, id) => [id, outcome, runs.get(String(id)) ?? 0])
    .filter(([, outcome, times]) => !['answered', 'maybe', 'no'].includes(outcome) || (outcome === 'answered' && times !== 1) || (outcome === 'no' && times !== 0))
  assert.deepEqual(wrong, [])
  assert.ok(outcomes.includes('maybe') || outcomes.includes('no'), 'some died under their calls')
  assert.ok(read.size > 0 && read.size <= words, `${read.size} of ${words} messages read`)
})
