// What others can watch and add to (diagnostics_channel). It costs nothing but a look until somebody subscribes.
'use strict'

const { channel, tracingChannel } = require('diagnostics_channel')
const { outgoing } = require('./inherited.js')

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

// For an event: an object of its own, that subscribers may change.
function changeable(headers) {
  return { ...outgoing(headers) }
}

// What they made of it, as it is sent.
function sent(headers) {
  return Object.keys(headers).length === 0 ? undefined : headers
}

module.exports = { CHANNELS, request, handle, changeable, sent }
