// One shard: indexes the batches of files it is given and searches its part. Run any number of it:
//   warren run -d shard.mjs --name shard -i 4
import { setImmediate as nextTurn } from 'node:timers/promises'
import { join } from 'warren'
import { Index } from './index.mjs'
import { readText, snippetOf, termsOf } from './text.mjs'

// An index belongs to one run of the coordinator; a restarted coordinator begins a new one. `batches` remembers each
// batch as a promise: when the coordinator did not get our answer and asks again, the work is not done again.
let current = { run: 0, index: new Index(), batches: new Map(), held: 0 }

function enter(run) {
  if (run < current.run) throw new Error(`run ${run} is over: this shard works for run ${current.run}`)
  if (run > current.run) current = { run, index: new Index(), batches: new Map(), held: 0 }
}

const handlers = {
  // Forgets the index of an earlier run.
  begin({ run }) {
    enter(run)
  },

  // Indexes the files and answers { files, bytes, skipped }.
  add({ run, batch, paths }) {
    enter(run)
    if (!current.batches.has(batch)) current.batches.set(batch, indexFiles(current, paths))
    return current.batches.get(batch)
  },

  // First step of a query: what this shard adds to the statistics of the whole. `held` tells the front whether the
  // shards that answered have all batches between them.
  stats({ terms }) {
    return { run: current.run, held: current.held, ...current.index.summary(terms) }
  },

  // Second step: the best of this part, by the statistics of the whole.
  search({ terms, whole, k }) {
    return current.index.search(terms, whole, k)
  },

  // Last: a line to show for each hit of the final answer that lies here.
  snippets({ paths, terms }) {
    const snippets = paths.map(path => {
      const { text } = readText(path)
      return text === undefined ? null : snippetOf(text, terms)
    })
    return { snippets }
  }
}

async function indexFiles(target, paths) {
  const result = { files: 0, bytes: 0, skipped: {} }
  for (const path of paths) {
    await nextTurn() // queries that came in meanwhile go first
    const { text, bytes, skipped } = readText(path)
    if (skipped) {
      result.skipped[skipped] = (result.skipped[skipped] ?? 0) + 1
      continue
    }
    target.index.add(path, termsOf(text))
    result.files++
    result.bytes += bytes
  }
  target.held++
  return result
}

const mesh = await join()
await mesh.serve('shard', handlers)
