// Functions of a service that runs elsewhere: client.quote(input, options) -> promise.
'use strict'

const { LIMIT } = require('./contract.js')
const { names, methods, RESERVED_METHODS } = require('./names.js')
const { TAKES, laneOf, retriesOf, signalOf, takenBy, timeoutOf } = require('./options.js')
const { pickOf } = require('./pick.js')

// Methods are made at first use by a Proxy that stands behind the client in the prototype chain: from the second use on
// they are ordinary properties, as fast as any; not when somebody calls by ever new names, that come from outside.
function createClient(calls, name, given) {
  const nameBytes = names.of(name)
  const defaults = defaultsOf(given)
  let kept = 0
  const behind = new Proxy(Object.create(null), {
    get(target, key, client) {
      if (typeof key === 'symbol' || RESERVED_METHODS.has(key)) return Object.prototype[key]
      const callee = { name: nameBytes, method: methods.of(key), isSubject: false, label: `${name}.${key}` }
      const method = createMethod(calls, callee, defaults)
      if (kept++ < LIMIT.METHODS) Object.defineProperty(client, key, { value: method, enumerable: true })
      return method
    },
  })
  return Object.create(behind)
}

// Each call judges them again, by what is there then.
function defaultsOf(given) {
  const options = takenBy(TAKES.CALL, given)
  timeoutOf(options.timeout)
  signalOf(options.signal)
  laneOf(options.lane)
  retriesOf(options.retries)
  pickOf(options)
  return options
}

function createMethod(calls, target, defaults) {
  return (input, options) => calls.start(target, input, options, defaults)
}

module.exports = { createClient }
