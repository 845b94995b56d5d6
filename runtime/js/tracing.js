// What others can watch and add to (diagnostics_channel), and the W3C trace context, which passes on by itself. All of it
// costs nothing but a look until somebody subscribes, or a message with a `traceparent` comes.
'use strict'

const { AsyncLocalStorage } = require('async_hooks')
const { channel, tracingChannel } = require('diagnostics_channel')

const CHANNELS = { publish: channel('warren.publish'), receive: channel('warren.receive'), peer: channel('warren.peer') }

class Traced {
  #channels

  constructor(name) {
    this.#channels = tracingChannel(name)
  }

  get isOn() {
    const { start, end, asyncStart, asyncEnd, error } = this.#channels
    return start.hasSubscribers || end.hasSubscribers || asyncStart.hasSubscribers || asyncEnd.hasSubscribers || error.hasSubscribers
  }

  // `work` runs in the stores that are bound to the channel, and may look at what subscribers did to `event`.
  run(event, work) {
    return this.#channels.tracePromise(async () => work(event), event)
  }
}

const request = new Traced('warren.request')
const handle = new Traced('warren.handle')

// ---- the trace context of what runs now

const current = new AsyncLocalStorage()
let isCarrying = false // a message with one has come

// Runs `work` as part of the trace that the headers of a message belong to.
function within(headers, work) {
  const { traceparent, tracestate } = headers
  if (traceparent === undefined) return work()
  isCarrying = true
  return current.run(tracestate === undefined ? { traceparent } : { traceparent, tracestate }, work)
}

// The headers of a message that is sent now: with the current trace, unless they name one.
function outgoing(headers) {
  if (!isCarrying) return headers
  const trace = current.getStore()
  return trace === undefined || headers?.traceparent !== undefined ? headers : { ...headers, ...trace }
}

// For an event: an object of its own, that subscribers may change.
function changeable(headers) {
  return { ...outgoing(headers) }
}

// What they made of it, as it is sent.
function sent(headers) {
  return Object.keys(headers).length === 0 ? undefined : headers
}

module.exports = { CHANNELS, request, handle, within, outgoing, changeable, sent }
