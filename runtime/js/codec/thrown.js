// An Error taken apart and put together again: class, message, stack, own properties.
'use strict'

// The classes an Error may arrive as; another name arrives as Error.
const CLASSES = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map(
    (errorClass) => [errorClass.name, errorClass],
  ),
)

// Classes that one extends another; a Proxy may say that it is its own prototype.
const CHAIN_MAX = 64

// Own properties that are not enumerable, and travel all the same.
const HIDDEN_PROPERTIES = ['name', 'cause', 'errors']

// The nearest built-in class. By name: an Error of another realm has other prototypes.
function classNameOf(error) {
  if (Object.prototype.toString.call(error) === '[object DOMException]') return 'DOMException'
  let prototype = error
  for (let depth = 0; depth < CHAIN_MAX; depth++) {
    prototype = Object.getPrototypeOf(prototype)
    if (prototype === null) break
    const name = Object.hasOwn(prototype, 'constructor') ? prototype.constructor?.name : undefined
    if (CLASSES.has(name)) return name
  }
  return 'Error'
}

// The own properties that travel.
function keysOf(error, className) {
  const keys = Object.keys(error).filter((key) => key !== 'message' && key !== 'stack')
  for (const key of HIDDEN_PROPERTIES) {
    const isWanted = key === 'name' ? error.name !== className : Object.hasOwn(error, key)
    if (isWanted && !keys.includes(key)) keys.push(key)
  }
  return keys
}

function text(value) {
  return typeof value === 'string' ? value : ''
}

function makeError(className, message, stack) {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0 // the stack is the sender's: to collect ours would cost microseconds
  try {
    const error = newError(className, message)
    Object.defineProperty(error, 'stack', { value: stack, writable: true, enumerable: false, configurable: true })
    return error
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function newError(className, message) {
  if (className === 'DOMException') return new DOMException(message, 'Error')
  const text = message === '' ? undefined : message
  const errorClass = CLASSES.get(className) ?? Error
  return errorClass === AggregateError ? new AggregateError([], text) : new errorClass(text)
}

const BARE_TEXT_LEN = 4096
const BARE_PROPERTIES = 16
const BARE_PROPERTY_LEN = 256

// `error` without what hinders it from travelling: what it holds beside texts and numbers, and most of what is long.
// Whatever its getters and traps do: they are not ours.
function bareError(error) {
  const className = attempt(() => classNameOf(error)) ?? 'Error'
  const brief = (key) => text(attempt(() => error[key])).slice(0, BARE_TEXT_LEN)
  const bare = makeError(className, brief('message'), brief('stack'))
  for (const key of (attempt(() => keysOf(error, className)) ?? []).slice(0, BARE_PROPERTIES)) {
    const value = attempt(() => error[key])
    if (key.length <= BARE_PROPERTY_LEN && isBare(value)) {
      Object.defineProperty(bare, key, { value, writable: true, enumerable: true, configurable: true })
    }
  }
  return bare
}

function attempt(read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

// Of any realm; a Proxy is asked what it is, and may throw.
function isError(value) {
  return attempt(() => value instanceof Error) === true
}

function isBare(value) {
  if (typeof value === 'string') return value.length <= BARE_PROPERTY_LEN
  return typeof value === 'number' || typeof value === 'boolean'
}

module.exports = { HIDDEN_PROPERTIES, classNameOf, keysOf, text, makeError, bareError, isError }
