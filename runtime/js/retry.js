// Calls that are tried again while nobody serves what they ask for: then nothing was delivered, so no handler runs twice.
'use strict'

const { performance } = require('perf_hooks')
const { setTimeout: sleep } = require('timers/promises')
const { MeshError } = require('./errors.js')
const { retriesOf, timeoutOf } = require('./options.js')

const PAUSE_MS = 25 // before the second try, twice as long before each further one ...
const PAUSE_MAX_MS = 1000 // ... up to this

// `start({timeout})` makes the call; all tries together have the time that `options` give one.
async function retrying(start, { retries: given, timeout, signal }) {
  const retries = retriesOf(given)
  if (retries === 0) return start()
  const limit = timeoutOf(timeout)
  const deadline = limit === 0 ? Infinity : performance.now() + limit
  for (let tried = 0; ; tried++) {
    const left = deadline - performance.now()
    try {
      return await start({ timeout: Math.max(left, 1) })
    } catch (err) {
      const isUnserved = err instanceof MeshError && err.code === 'ERR_WARREN_NO_RESPONDERS' && err.delivered === 'no'
      const pause = Math.min(PAUSE_MS * 2 ** tried, PAUSE_MAX_MS)
      if (!isUnserved || tried === retries || pause >= left) throw err
      await sleep(pause, undefined, { signal: signal ?? undefined }).catch(() => {}) // aborted: the next try says so
    }
  }
}

module.exports = { retrying }
