// Values that cannot be sent: what they are, and where in the message they stand.
'use strict'

const { types } = require('util')
const { MeshError } = require('../errors.js')

// Thrown where the value is found, given its path on the way up, turned into a MeshError at the top.
class Uncloneable {
  path = ''
  constructor(what, cause) {
    this.what = what
    this.cause = cause
  }
}

const TOO_LARGE = Symbol('too large')
const PRINTED_LEN = 200

// Have hidden state, and no Symbol.toStringTag that tells of it through a Proxy.
const UNTAGGED = [Date, RegExp, Object.getPrototypeOf(Uint8Array)]

// What `value`, an object of some class with these keys, is when it cannot be sent; null when it can.
// Classes of the language and of the web name themselves by Symbol.toStringTag. Their state is hidden, so what
// would arrive is an empty object; a class of the user's that has properties of its own is fine.
function uncloneable(value, keys) {
  if (types.isBoxedPrimitive(value)) return article(`${value.constructor?.name ?? 'boxed'} object`)
  if (types.isSharedArrayBuffer(value)) return 'a SharedArrayBuffer'
  if (types.isKeyObject(value)) return 'a KeyObject'
  if (types.isExternal(value)) return 'a native pointer'
  const hidden = UNTAGGED.find((each) => value instanceof each)
  if (hidden !== undefined) return `${article(hidden.name)} behind a Proxy, or an object with nothing but its prototype`
  const tag = value[Symbol.toStringTag]
  if (typeof tag !== 'string' || tag === '') return null
  return keys.length === 0 || Object.hasOwn(globalThis, tag) ? article(tag) : null
}

function article(noun) {
  return /^[AEIO]/i.test(noun) ? `an ${noun}` : `a ${noun}`
}

// One step of a path: .name or ["any text"].
function keyStep(key) {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

function printed(key) {
  if (typeof key === 'string') return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}...` : key)
  return typeof key === 'object' && key !== null ? 'an object' : String(key)
}

function under(thrown, step) {
  const err = refusalOf(thrown)
  if (err instanceof Uncloneable) err.path = step + err.path
  return err
}

function explained(thrown, len) {
  const err = refusalOf(thrown)
  if (err === TOO_LARGE) return new MeshError('ERR_WARREN_TOO_LARGE', `the message is larger than ${len} bytes: send it as a stream, or join with a larger maxMessage, there too`)
  if (!(err instanceof Uncloneable)) return err
  return new MeshError('ERR_WARREN_NOT_CLONEABLE', `cannot send $${err.path}: ${err.what}`, { cause: err.cause })
}

// What the value itself threw, its getters and the traps of its Proxies, belongs to the place where it was read.
function refusalOf(thrown) {
  if (thrown === TOO_LARGE || thrown instanceof Uncloneable || thrown instanceof MeshError) return thrown
  return new Uncloneable(`reading it threw ${inKind(thrown)}`, thrown)
}

// Any value at all may have been thrown: also one that cannot be looked at.
function inKind(thrown) {
  try {
    return `${thrown}`.slice(0, PRINTED_LEN)
  } catch {
    return article(typeof thrown)
  }
}

function changed() {
  return new Uncloneable('it changed while it was encoded')
}

module.exports = { Uncloneable, TOO_LARGE, uncloneable, article, keyStep, printed, under, explained, changed }
