// Kills at any moment of a deployment. CI has a few seeds of it; `make chaos` any number (docs/testing.md): WARREN_SEED is the first,
// WARREN_SEEDS how many, WARREN_STORE with which store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip } from '../hosts/net.mjs'
import { Chaos, storyOf } from './chaos.mjs'

// Short stories: an agent that does not lead, the leader's, a host; the store's host, the command line, the store's agent.
const FEW = { etcd: [101, 163, 218], host: [183, 191, 217] }
const { WARREN_SEED, WARREN_SEEDS, WARREN_STORE } = process.env
const stores = WARREN_STORE ? [WARREN_STORE] : Object.keys(FEW)

function seedsOf(store) {
  if (WARREN_SEED === undefined && WARREN_SEEDS === undefined) return FEW[store]
  return Array.from({ length: Number(WARREN_SEEDS ?? 1) }, (_, i) => Number(WARREN_SEED ?? 1) + i)
}

async function tell(t, store) {
  const failed = []
  let chaos
  for (const seed of seedsOf(store)) {
    const story = storyOf(seed), from = Date.now()
    const replay = `WARREN_SEED=${seed} WARREN_STORE=${store}`
    console.log(`# ${replay}: ${JSON.stringify(story)}`) // at once: what hangs is known by it
    try {
      chaos ??= await Chaos.open(t, store)
      const end = await chaos.run(story)
      console.log(`# ${replay}: ${JSON.stringify(end)} after ${Date.now() - from} ms`)
    } catch (err) {
      console.log(`# ${replay} failed: ${err.stack}`)
      failed.push(replay)
      chaos = undefined // what it left behind is no beginning for the next one
    }
  }
  assert.deepEqual(failed, [])
}

test('whoever is killed in a deployment, it ends, and everything runs as it says', { skip, concurrency: true }, (t) =>
  Promise.all(stores.map((store) => t.test(`with the store ${store}`, (t) => tell(t, store)))))
