// What a file gave, as plain data: objects, lists, texts, numbers, true, false, null. Anything else has no place in a
// configuration and is a problem where it stands.
'use strict'

const { nameOf } = require('./schema.js')

const DEPTH_MAX = 16
const VALUES_MAX = 100_000

function kindOf(value) {
  if (typeof value !== 'object') return { function: 'a function', bigint: 'a BigInt', symbol: 'a symbol', number: String(value) }[typeof value]
  return `an instance of ${value.constructor?.name || 'a class'}`
}

function isPlain(value) {
  const prototype = Object.getPrototypeOf(value)
  // Objects of a vm context have another Object.prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

// undefined and a problem when it cannot be; keys whose value is undefined are left out.
function plainOf(value, problems) {
  let count = 0
  const copy = (part, path) => {
    if (path.length > DEPTH_MAX) {
      problems.add(path.slice(0, 4), `${nameOf(path.slice(0, 4))} is nested too deeply: ${DEPTH_MAX} levels are the most`)
      return undefined
    }
    if (++count > VALUES_MAX) {
      if (count === VALUES_MAX + 1) problems.add([], `the configuration is too large: ${VALUES_MAX} values are the most`)
      return undefined
    }
    if (part === null || ['string', 'boolean', 'undefined'].includes(typeof part) || Number.isFinite(part)) return part
    if (Array.isArray(part)) return part.map((item, i) => copy(item, [...path, String(i)]) ?? null)
    if (typeof part === 'object' && isPlain(part)) {
      const out = {}
      for (const key of Object.keys(part)) {
        const value = copy(part[key], [...path, key])
        if (value !== undefined) Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true })
      }
      return out
    }
    problems.add(path, `${nameOf(path)} is ${kindOf(part)}: a configuration is plain data`)
    return undefined
  }
  return copy(value, [])
}

module.exports = { plainOf }
