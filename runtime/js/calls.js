// Calls this node made and whose answers it awaits, by slot. A slot is used again and again: the hot path makes no
// object but the promise.
'use strict'

const { MeshError } = require('./errors.js')
const { CODE, COMMAND, LIMIT, PEER_ANY, STREAM } = require('./contract.js')
const { laneOf, optionsOf, signalOf, timeoutOf } = require('./options.js')
const { pickOf } = require('./pick.js')
const { retrying } = require('./retry.js')
const { changeable, outgoing, request, sent } = require('./tracing.js')
const { Reading } = require('./reading.js')
const { Reply } = require('./reply.js')

class Call {
  resolve = null
  reject = null
  subject = ''
  signal = undefined
  timeout = 0
  stream = null // the answer, when it is one
}

// The open calls that one AbortSignal cancels: a signal often serves for many calls, and gets one listener for all.
class Watch {
  slots = new Set()

  constructor(onAbort) {
    this.onAbort = () => this.slots.forEach(onAbort)
  }
}

class Calls {
  #channel
  #slots = []
  #free = []
  #open = 0
  #streams = 0
  #starting = null
  #watches = new Map() // by signal, while calls are open
  // One executor for all promises: it hands over what the new one is settled with.
  #executor = (resolve, reject) => {
    this.#starting.resolve = resolve
    this.#starting.reject = reject
  }

  constructor(channel) {
    this.#channel = channel
  }

  // `target`: {name, method, isSubject, label}; `options` as users give them.
  start(target, input, options, defaults) {
    try {
      if (options?.retries > 0 || defaults?.retries > 0 || request.isOn) {
        return Reply.resolve(this.#startWith(target, input, options, defaults))
      }
      return this.#start(target, input, options, defaults)
    } catch (err) {
      return Reply.reject(err)
    }
  }

  // The way around: for those who watch, and for calls that may be tried again.
  #startWith(target, input, given, defaults) {
    const options = { ...defaults, ...optionsOf(given) }
    const start = (more) => this.#start(target, input, { ...options, ...more })
    if (!request.isOn) return retrying(start, options)
    const { label, isSubject } = target
    const event = isSubject ? { subject: label } : { service: target.name.toString(), method: target.method.toString() }
    Object.assign(event, { input, headers: changeable(options.headers) })
    return request.run(event, () => retrying((more) => start({ ...more, headers: sent(event.headers) }), options))
  }

  #start(target, input, given, defaults) {
    this.#channel.mustBeOpen()
    const options = given === undefined && defaults !== undefined ? defaults : { ...defaults, ...optionsOf(given) }
    const signal = signalOf(options.signal)
    if (signal?.aborted) throw cancelled(target.label, 'no', signal.reason)
    const { timeout, lane } = options
    const route = { peer: PEER_ANY, timeout: timeoutOf(timeout), lane: laneOf(lane), pick: pickOf(options) }
    if (options.to !== undefined) route.peer = this.#channel.handleOf(options.to, target.label)

    const slot = this.#take(target.label)
    const call = this.#slots[slot]
    try {
      this.#channel.outbox.call(slot, target, route, input, outgoing(options.headers))
    } catch (err) {
      this.#free.push(slot)
      throw err
    }
    call.subject = target.label
    call.signal = signal
    call.timeout = route.timeout
    if (signal !== undefined) this.#watch(slot, signal)
    if (this.#open++ === 0) this.#channel.hold()
    this.#starting = call
    return new Reply(this.#executor)
  }

  #take(label) {
    const slot = this.#free.pop()
    if (slot !== undefined) return slot
    if (this.#slots.length === LIMIT.CALLS) {
      const text = `${label}: ${LIMIT.CALLS} calls are open already`
      throw new MeshError('ERR_WARREN_OVERLOADED', text, { subject: label })
    }
    return this.#slots.push(new Call()) - 1
  }

  // The outcome, and whether the call may have been delivered, comes from C: aborting only asks for it.
  #watch(slot, signal) {
    let watch = this.#watches.get(signal)
    if (watch === undefined) {
      watch = new Watch((open) => this.#channel.outbox.command(COMMAND.CANCEL, open))
      this.#watches.set(signal, watch)
      signal.addEventListener('abort', watch.onAbort)
    }
    watch.slots.add(slot)
  }

  #unwatch(slot, signal) {
    const watch = this.#watches.get(signal)
    watch.slots.delete(slot)
    if (watch.slots.size > 0) return
    this.#watches.delete(signal)
    signal.removeEventListener('abort', watch.onAbort)
  }

  // Frees the slot: what it held is returned in place, and to be cleared.
  #end(slot) {
    const call = this.#slots[slot]
    if (call.signal !== undefined) this.#unwatch(slot, call.signal)
    this.#free.push(slot)
    if (--this.#open === 0) this.#channel.release()
    if (call.stream !== null) this.#streams--
    return call
  }

  // An ITEM event. The first one is empty and says that the answer is a stream.
  item(event) {
    const call = this.#slots[event.id]
    if (event.payloadLen === 0) return this.#begin(event.id, call)
    let value
    try {
      value = event.value()
    } catch (error) {
      return call.stream.stop({ error })
    }
    call.stream.take(value, event.arg)
  }

  #begin(slot, call) {
    const { subject, timeout } = call
    const window = ++this.#streams > STREAM.WIDE_MAX ? STREAM.WINDOW : STREAM.READ_WINDOW
    const timedOut = () => {
      const text = `${subject}: no item in time`
      return new MeshError('ERR_WARREN_TIMEOUT', text, { delivered: 'maybe', subject })
    }
    call.stream = new Reading(this.#channel.outbox, slot, { window, timeout, timedOut })
    call.resolve(call.stream)
  }

  // A REPLY event.
  reply(event) {
    if (this.#slots[event.id].stream !== null) return this.#finish(event.id)
    let value
    try {
      value = event.value()
    } catch (err) {
      return this.#settle(event.id, err)
    }
    const call = this.#end(event.id)
    const { resolve } = call
    clear(call)
    resolve(value)
  }

  // Of a stream: its end.
  #finish(slot) {
    const call = this.#end(slot)
    const { stream } = call
    clear(call)
    stream.finish()
  }

  // An ERROR event.
  fail(event) {
    const call = this.#slots[event.id]
    this.#settle(event.id, event.arg === CODE.APPLICATION ? thrownBy(event) : this.#errorOf(event, call))
  }

  #errorOf(event, { subject, signal }) {
    const delivered = event.bool ? 'maybe' : 'no'
    if (event.arg === CODE.CANCELLED) return cancelled(subject, delivered, signal?.reason)
    const detail = event.payloadLen > 0 ? detailOf(event) : ''
    return MeshError.ofCall(event.arg, { detail, delivered, peer: this.#channel.peers.get(event.peer), subject })
  }

  // The command that should have started the call could not be carried out.
  refuse(slot, error) {
    this.#settle(slot, error)
  }

  #settle(slot, error) {
    const call = this.#end(slot)
    const { reject, signal, stream } = call
    clear(call)
    if (stream === null) return reject(error)
    if (signal?.aborted) stream.drop()
    stream.fail(error)
  }

  // The mesh is closed; C has ended every call it knew.
  close() {
    for (const [slot, call] of this.#slots.entries()) {
      if (call.reject === null) continue
      const { subject } = call
      const text = `${subject}: the mesh is closed`
      this.#settle(slot, new MeshError('ERR_WARREN_CLOSED', text, { delivered: 'maybe', subject }))
    }
  }
}

function clear(call) {
  call.resolve = null
  call.reject = null
  call.signal = undefined
  call.stream = null
}

function cancelled(subject, delivered, cause) {
  return new MeshError('ERR_WARREN_CANCELLED', `${subject}: the call was cancelled`, { delivered, subject, cause })
}

// What the handler threw, as it was thrown; an Error also says that the handler did run.
function thrownBy(event) {
  let thrown
  try {
    thrown = event.value()
  } catch (err) {
    thrown = err
  }
  if (thrown instanceof Error) thrown.delivered = 'maybe'
  return thrown
}

function detailOf(event) {
  try {
    return String(event.value())
  } catch {
    return ''
  }
}

module.exports = { Calls }
