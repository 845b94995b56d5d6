// Who indexes what: the coordinator's book of batches and shards. It sends nothing and knows no clock, so that every
// story about deaths can be told in a test.
//
// A batch waits, is *out* (a shard works on it) or is *held* (in a shard's index). It belongs to one shard until that
// shard is known to be dead, never only suspected: so no document is ever in two indexes.

// A batch that three shards died over is given up, or it would kill them for ever. Not one that was indexed before:
// when many shards are killed at once, it is handed from one to the next, all dead already, and is to blame for none.
const DEATHS_MAX = 3

export class Work {
  #batches = [] // { id, paths, deaths, isProven, result }
  #waiting = []
  #shards = new Map() // id -> { out: Set of batches, held: Set of batches }
  #outMax
  #givenUp = []

  // At most `outMax` batches are out at one shard: it never waits for the next, and never drowns in them.
  constructor({ outMax }) {
    this.#outMax = outMax
  }

  addBatch(paths) {
    const batch = { id: this.#batches.length, paths, deaths: 0, isProven: false, result: null }
    this.#batches.push(batch)
    this.#waiting.push(batch)
  }

  addShard(shard) {
    this.#shards.set(shard, { out: new Set(), held: new Set() })
  }

  // Who gets which batch next: { shard, batch }, or undefined when nothing waits or everybody has enough. Of the shards
  // with room, the one that has least to do, then the one that holds least.
  next() {
    const free = [...this.#shards].filter(([, { out }]) => out.size < this.#outMax)
    if (free.length === 0 || this.#waiting.length === 0) return undefined
    free.sort(([, a], [, b]) => a.out.size - b.out.size || a.held.size - b.held.size)
    const [shard, { out }] = free[0]
    const batch = this.#waiting.shift()
    out.add(batch)
    return { shard, batch }
  }

  // The shard has indexed the batch. An answer that was overtaken by the news of its death changes nothing.
  finish(shard, batch, result) {
    const book = this.#shards.get(shard)
    if (!book?.out.delete(batch)) return false
    book.held.add(batch)
    batch.isProven = true
    batch.result = result
    return true
  }

  // The shard is dead: what it had waits again, before everything else. Says what was lost.
  removeShard(shard) {
    const { out, held } = this.#shards.get(shard) ?? { out: new Set(), held: new Set() }
    this.#shards.delete(shard)
    const lost = { batches: held.size, files: filesOf(held) }

    for (const batch of out) if (!batch.isProven) batch.deaths++
    const again = [...held, ...out]
    for (const batch of again) batch.result = null
    this.#givenUp.push(...again.filter(batch => batch.deaths >= DEATHS_MAX))
    this.#waiting.unshift(...again.filter(batch => batch.deaths < DEATHS_MAX))
    return lost
  }

  get isDone() {
    return this.#waiting.length === 0 && [...this.#shards.values()].every(({ out }) => out.size === 0)
  }

  // Figures of what is held now; files are those that had text.
  get progress() {
    const held = this.#batches.filter(batch => batch.result)
    const skipped = {}
    for (const { result } of held) {
      for (const [why, count] of Object.entries(result.skipped)) skipped[why] = (skipped[why] ?? 0) + count
    }
    const givenUpFiles = this.#givenUp.reduce((files, { paths }) => files + paths.length, 0)
    if (givenUpFiles > 0) skipped['given up'] = givenUpFiles
    return {
      batches: this.#batches.length,
      held: held.length,
      files: filesOf(held),
      bytes: held.reduce((bytes, { result }) => bytes + result.bytes, 0),
      skipped
    }
  }

  // What one shard holds.
  holdings(shard) {
    const { out, held } = this.#shards.get(shard)
    return { out: out.size, held: held.size, files: filesOf(held) }
  }
}

function filesOf(batches) {
  let files = 0
  for (const { result } of batches) files += result.files
  return files
}
