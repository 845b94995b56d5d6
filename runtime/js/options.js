// Options that several calls take: judged before anything is begun.
'use strict'

const { LANE } = require('./contract.js')

const TIMEOUT_DEFAULT_MS = 5000
const TIMEOUT_MAX_MS = 0xffffffff

// As C takes it: whole milliseconds, 0 for no limit.
function timeoutOf(timeout) {
  if (timeout === undefined) return TIMEOUT_DEFAULT_MS
  if (typeof timeout !== 'number' || !(timeout >= 0)) throw new RangeError('timeout must be milliseconds, 0 for no limit')
  return timeout === Infinity ? 0 : Math.min(Math.ceil(timeout), TIMEOUT_MAX_MS)
}

function laneOf(lane) {
  if (lane === undefined || lane === 'normal') return LANE.NORMAL
  if (lane === 'bulk') return LANE.BULK
  throw new RangeError("lane must be 'normal' or 'bulk'")
}

const NO_OPTIONS = Object.freeze({})

function optionsOf(options) {
  if (options === undefined) return NO_OPTIONS
  if (typeof options === 'object' && options !== null) return options
  throw new TypeError('options must be an object')
}

// Not by instanceof: packages have AbortSignals of their own.
function signalOf(signal) {
  if (signal === undefined || signal === null) return undefined
  const isSignal =
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function'
  if (!isSignal) throw new TypeError('signal must be an AbortSignal')
  return signal
}

module.exports = { laneOf, optionsOf, signalOf, timeoutOf }
