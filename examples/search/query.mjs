// One query over all shards: scatter, gather, rank.
//
// Two steps, so that scores do not depend on who holds what: first every shard says how often it has each term, then
// every shard ranks its part by the sums of that.
import { best, sum } from './index.mjs'
import { termsOf } from './text.mjs'

const TERMS_MAX = 32
const SNIPPETS_MAX = 20

// These say that one shard is not with us now; anything else is a fault in the program and shall be seen.
const ABSENCES = ['ERR_WARREN_PEER_LOST', 'ERR_WARREN_TIMEOUT', 'ERR_WARREN_NO_RESPONDERS', 'ERR_WARREN_OVERLOADED']

export class NoShards extends Error {}

// Answers { query, hits: [{ path, score, line?, snippet? }], total, shards, partial }. Partial: something was not
// searched, because a shard is missing, is still indexing, or did not answer within `timeout` ms. Throws NoShards.
export async function search(mesh, query, { k, timeout, signal }) {
  const terms = [...new Set(termsOf(query))].slice(0, TERMS_MAX)
  const startedAt = performance.now()
  // Each step must end when its share of the time is over, so that one shard that hangs leaves time for the others.
  const ask = (service, method, input, { to, share }) => {
    const timeLeft = Math.max(1, startedAt + timeout * share - performance.now())
    return mesh.client(service)[method](input, { to, signal, timeout: timeLeft }).catch(absent)
  }
  const askShards = async (peers, method, share, inputFor) => {
    const answers = await Promise.all(peers.map(to => ask('shard', method, inputFor(to), { to, share })))
    return peers.map((peer, i) => ({ peer, ...answers[i] })).filter((_, i) => answers[i])
  }

  const [status, summaries] = await Promise.all([
    ask('coordinator', 'status', undefined, { share: 0.4 }),
    askShards(mesh.instances('shard'), 'stats', 0.4, () => ({ terms }))
  ])
  const parts = ofNewestRun(summaries)
  if (parts.length === 0) throw new NoShards('no shard answers')

  const whole = sum(parts)
  const results = await askShards(parts.map(({ peer }) => peer), 'search', 0.8, () => ({ terms, whole, k }))
  const hits = best(results.flatMap(({ peer, hits }) => hits.map(hit => ({ peer, ...hit }))), k)
  await addSnippets(hits.slice(0, SNIPPETS_MAX), terms, askShards)

  return {
    query,
    hits: hits.map(({ peer, ...hit }) => hit),
    total: results.reduce((total, result) => total + result.total, 0),
    shards: results.length,
    partial: results.length < parts.length || !isComplete(status, parts)
  }
}

async function addSnippets(hits, terms, askShards) {
  const pathsAt = peer => hits.filter(hit => hit.peer === peer).map(hit => hit.path)
  const holders = [...new Set(hits.map(hit => hit.peer))]
  const answers = await askShards(holders, 'snippets', 1, peer => ({ paths: pathsAt(peer), terms }))
  for (const { peer, snippets } of answers) {
    hits.filter(hit => hit.peer === peer).forEach((hit, i) => Object.assign(hit, snippets[i]))
  }
}

// After a restart of the coordinator some shards still have the index of the run before: not to be mixed.
function ofNewestRun(summaries) {
  const newest = Math.max(...summaries.map(summary => summary.run))
  return summaries.filter(summary => summary.run === newest)
}

// Every batch is in exactly one shard, so counting them tells whether all documents were searched, whatever the news
// of deaths and restarts that we have not heard yet.
function isComplete(status, parts) {
  const held = parts.reduce((batches, part) => batches + part.held, 0)
  return Boolean(status?.done) && status.run === parts[0].run && status.held === held
}

function absent(error) {
  if (ABSENCES.includes(error.code)) return undefined
  throw error
}
