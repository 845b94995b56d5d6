// Sizes in bytes and times in milliseconds, as people write them.
'use strict'

const SIZES = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }
const TIMES = { ms: 1, s: 1000, m: 60e3, h: 3600e3, d: 86400e3 }

// Both take what the schema lets through.
function bytesOf(value) {
  if (typeof value === 'number') return value
  const [, count, unit] = /^(\d+)([KMG]?)$/.exec(value)
  return Number(count) * SIZES[unit]
}

function msOf(value) {
  if (typeof value === 'number') return value
  const [, count, unit] = /^(\d+)(ms|s|m|h|d)?$/.exec(value)
  return Number(count) * (unit === undefined ? 0 : TIMES[unit])
}

module.exports = { bytesOf, msOf }
