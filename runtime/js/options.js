// Options that several calls take: judged before anything is begun.
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

// Where an option that is overlooked would be believed to hold: `what` has those and no others.
function knownOptionsOf(options, what, known) {
  const given = optionsOf(options)
  const other = Object.keys(given).find((key) => !known.includes(key))
  if (other === undefined) return given
  throw badArgument(TypeError, `${what} has no option ${JSON.stringify(other)}, only ${known.join(', ')}`)
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

module.exports = { knownOptionsOf, laneOf, optionsOf, secondsOf, signalOf, timeoutOf }
