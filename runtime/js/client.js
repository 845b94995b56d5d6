// Functions of a service that runs elsewhere: client.quote(input, options) -> promise.
'use strict'

const { names, methods, RESERVED_METHODS } = require('./names.js')

// Methods are made at first use by a Proxy that stands behind the client in the prototype chain: from the second use on
// they are ordinary properties, as fast as any.
function createClient(calls, name, defaults = {}) {
  const nameBytes = names.bytes(name)
  const behind = new Proxy(Object.create(null), {
    get(target, key, client) {
      if (typeof key === 'symbol' || RESERVED_METHODS.has(key)) return Object.prototype[key]
      const callee = { name: nameBytes, method: methods.bytes(key), isSubject: false, label: `${name}.${key}` }
      const method = createMethod(calls, callee, defaults)
      Object.defineProperty(client, key, { value: method, enumerable: true })
      return method
    },
  })
  return Object.create(behind)
}

function createMethod(calls, target, defaults) {
  return (input, options) => calls.start(target, input, options, defaults)
}

module.exports = { createClient }
