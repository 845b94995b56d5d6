// Options: which of them each function of the package takes, and what they may be. Judged before anything is begun.
'use strict'

const { badArgument } = require('./errors.js')
const { LANE, LIMIT } = require('./contract.js')

const TIMEOUT_DEFAULT_MS = 5000
const TIMEOUT_MAX_MS = 0xffffffff
const TTL_DEFAULT_S = 10
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

// As C takes it: whole milliseconds, 0 for no limit.
function timeoutOf(timeout) {
  if (timeout === undefined) return TIMEOUT_DEFAULT_MS
  if (typeof timeout !== 'number' || !(timeout >= 0)) throw badArgument(RangeError, 'timeout must be milliseconds, 0 for no limit')
  return timeout === Infinity ? 0 : Math.min(Math.ceil(timeout), TIMEOUT_MAX_MS)
}

// As C and the store take it: whole seconds.
function secondsOf(ttl) {
  if (ttl === undefined) return TTL_DEFAULT_S
  const { LEASE_TTL_MIN_S: min, LEASE_TTL_MAX_S: max } = LIMIT
  const [, count, unit] = /^(\d+)(ms|s|m|h)$/.exec(typeof ttl === 'number' ? `${ttl}ms` : ttl) ?? []
  const seconds = Math.ceil((count * UNIT_MS[unit]) / 1000)
  if (seconds >= min && seconds <= max) return seconds
  throw badArgument(RangeError, `ttl must be milliseconds or a text as '10s', from ${min} s to ${max / 60} minutes`)
}

// How often a call may be tried again.
function retriesOf(retries = 0) {
  if (Number.isInteger(retries) && retries >= 0) return retries
  throw badArgument(RangeError, 'retries must be a whole number from 0 up')
}

function laneOf(lane) {
  if (lane === undefined || lane === 'normal') return LANE.NORMAL
  if (lane === 'bulk') return LANE.BULK
  throw badArgument(RangeError, "lane must be 'normal' or 'bulk'")
}

const NO_OPTIONS = Object.freeze({})

function optionsOf(options) {
  if (options === undefined) return NO_OPTIONS
  if (typeof options === 'object' && options !== null) return options
  throw badArgument(TypeError, 'options must be an object')
}

// Who takes which. An option that is overlooked would be believed to hold, so there are no others.
function takes(what, names, has = (name) => names.includes(name)) {
  return { what, names, has }
}

const TAKES = {
  PUBLISH: takes('publish()', ['headers', 'lane', 'key', 'tags', 'version'], isOfPublication),
  CALL: takes('a call', ['timeout', 'signal', 'headers', 'lane', 'retries', 'to', 'key', 'tags', 'version'], isOfCall),
  SUBSCRIBE: takes('subscribe()', ['queue', 'tags', 'highWaterMark', 'overflow', 'signal']),
  UNSUBSCRIBE: takes('unsubscribe()', ['discard']),
  SERVE: takes('serve()', ['tags', 'version', 'exclusive']),
  EXCLUSIVE: takes('exclusive', ['ttl']),
  LEASE: takes('lease()', ['ttl', 'wait', 'signal']),
  AVAILABLE: takes('available()', ['count', 'timeout', 'signal']),
  CLOSE: takes('close()', ['timeout']),
  JOIN: takes('join()', ['name', 'agentPath', 'maxMessage']),
  TEST_CLUSTER: takes('testCluster()', ['entry', 'env', 'cwd', 'execArgv', 'warren']),
}

// These two are asked for each option of each message: a list, or a Set, would take several times as long.
function isOfPublication(name) {
  switch (name) {
    case 'headers': case 'lane': case 'key': case 'tags': case 'version': return true
    default: return false
  }
}

function isOfCall(name) {
  switch (name) {
    case 'timeout': case 'signal': case 'retries': case 'to': return true
    default: return isOfPublication(name)
  }
}

// `options` as users give them to what `taker` (of TAKES) is about. Only own ones are judged: whoever adds to
// Object.prototype has not meant this.
function takenBy(taker, options) {
  const given = optionsOf(options)
  for (const name in given) {
    if (taker.has(name)) continue
    if (Object.hasOwn(given, name)) throw unknownOption(taker, name)
    if (name === 'aborted' && given[name] !== undefined) throw bareSignal(taker)
  }
  return given
}

// An AbortSignal in the place of the options has none of its own, and would be overlooked.
function bareSignal({ what, names }) {
  const how = names.includes('signal') ? 'give it as { signal }' : 'it takes none'
  return badArgument(TypeError, `the options of ${what} are an AbortSignal: ${how}`)
}

function unknownOption({ what, names }, name) {
  const meant = require('./nearest.js').nearest(name, names)
  const others = meant === undefined ? `, only ${names.join(', ')}` : `: did you mean ${meant}?`
  return badArgument(TypeError, `${what} has no option ${JSON.stringify(name)}${others}`)
}

// Of serve(): undefined, or the options of its lease.
function exclusiveOf(exclusive = false) {
  if (exclusive === false) return undefined
  if (exclusive === true) return NO_OPTIONS
  if (typeof exclusive !== 'object' || exclusive === null) throw badArgument(TypeError, 'exclusive must be true, false or { ttl }')
  secondsOf(takenBy(TAKES.EXCLUSIVE, exclusive).ttl) // now, and not when it is this node's turn
  return exclusive
}

// Not by instanceof: packages have AbortSignals of their own.
function signalOf(signal) {
  if (signal === undefined || signal === null) return undefined
  const isSignal =
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function'
  if (!isSignal) throw badArgument(TypeError, 'signal must be an AbortSignal')
  return signal
}

module.exports = { TAKES, exclusiveOf, laneOf, retriesOf, secondsOf, signalOf, takenBy, timeoutOf }
