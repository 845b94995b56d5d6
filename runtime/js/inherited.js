// What the messages of a handler inherit from the call that it answers, until it is answered: the time that is left, and
// the W3C trace context.
'use strict'

const { AsyncLocalStorage } = require('async_hooks')

const current = new AsyncLocalStorage() // the Context of service.js

// Once a store is used every promise of the process costs about twice as much, so it is used where somebody may inherit:
// in a process that calls others (from its first client or request on), and where a trace comes in.
let isAsking = false
let isRehearsed = false // V8 never forgets that promises had hooks, so a zygote's must not
let running = null // the Context of the handler that runs now, up to its first await

function begin() {
  if (isAsking || isRehearsed) return
  isAsking = true
  if (running !== null) current.enterWith(running)
}

// As if nothing had happened yet: what was rehearsed is no reason to make promises dearer.
function reset() {
  isAsking = false
  current.disable()
}

function rehearse(is) {
  isRehearsed = is
}

// Runs `work(...args)`, and all that it starts, as part of the call.
function within(context, work, ...args) {
  if (isAsking || context.headers.traceparent !== undefined) return current.run(context, work, ...args)
  const before = running
  running = context
  try {
    return work(...args)
  } finally {
    running = before
  }
}

// The headers of a message that is sent now: with the current trace, unless they name one.
function outgoing(headers) {
  const context = current.getStore()
  if (context === undefined) return headers
  const { traceparent, tracestate } = context.headers
  if (traceparent === undefined || headers?.traceparent !== undefined) return headers
  return tracestate === undefined ? { ...headers, traceparent } : { ...headers, traceparent, tracestate }
}

// The time of a call that is made now, in milliseconds as C takes it (0: no limit): never more than what is left of the
// call that it is part of. Negative: nothing is left.
function limited(timeout) {
  const left = current.getStore()?.timeLeft ?? Infinity
  if (left === Infinity) return timeout
  if (left === 0) return -1
  return timeout === 0 ? Math.ceil(left) : Math.min(timeout, Math.ceil(left))
}

module.exports = { begin, rehearse, reset, within, outgoing, limited }
