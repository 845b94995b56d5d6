// Calls this node made and whose answers it awaits, by slot. A slot is used again and again: the hot path makes no
// object but the promise.
'use strict'

const { MeshError } = require('./errors.js')
const { CODE, COMMAND, FLAG, LIMIT, PEER_ANY, STREAM } = require('./contract.js')
const { TAKES, laneOf, retriesOf, signalOf, takenBy, timeoutOf } = require('./options.js')
const { pickOf } = require('./pick.js')
const { retrying } = require('./retry.js')
const { limited, outgoing } = require('./inherited.js')
const { changeable, request, sent } = require('./tracing.js')
const { Reading } = require('./reading.js')
const { Reply } = require('./reply.js')
const { Sending, endSource, isStream } = require('./sending.js')

const OF_ANSWER = { grant: COMMAND.GRANT, stop: COMMAND.CANCEL }

class Call {
  resolve = null
  reject = null
  subject = ''
  signal = undefined
  timeout = 0
  stream = null // the answer, when it is one
  sending = null // the input, when it is one
  failure = null // {error}: why it could not be sent
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
  #trying = 0 // calls that may wait between two tries
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
      if (options !== undefined) takenBy(TAKES.CALL, options)
      const retries = retriesOf(options?.retries === undefined ? defaults?.retries : options.retries)
      const isRetried = retries !== 0 && !isStream(input) // that is read once
      if (isRetried || request.isOn) {
        return Reply.resolve(this.#startWith(target, input, options, defaults))
      }
      return this.#start(target, input, options, defaults)
    } catch (err) {
      if (isStream(input)) endSource(input)
      return Reply.reject(err)
    }
  }

  // The way around: for those who watch, and for calls that may be tried again.
  #startWith(target, input, given, defaults) {
    const options = { ...defaults, ...given }
    const { label } = target
    if (isStream(input)) options.retries = 0
    const start = (more) => {
      try {
        return this.#start(target, input, { ...options, ...more })
      } catch (err) {
        if (isStream(input)) endSource(input)
        throw err
      }
    }
    if (!request.isOn) return this.#retrying(label, start, options)
    const { isSubject } = target
    const event = isSubject ? { subject: label } : { service: target.name.toString(), method: target.method.toString() }
    Object.assign(event, { input, headers: changeable(options.headers) })
    return request.run(event, () => this.#retrying(label, (more) => start({ ...more, headers: sent(event.headers) }), options))
  }

  async #retrying(label, start, options) {
    MeshError.mustBeBelow(LIMIT.CALLS, this.#trying, 'calls are open already', label)
    this.#trying++
    try {
      return await retrying(start, options)
    } finally {
      this.#trying--
    }
  }

  #start(target, input, given, defaults) {
    this.#channel.mustBeOpen()
    const options = given === undefined && defaults !== undefined ? defaults : { ...defaults, ...given }
    const signal = signalOf(options.signal)
    if (signal?.aborted) throw cancelled(target.label, 'no', signal.reason)
    const { lane } = options
    const timeout = limited(timeoutOf(options.timeout))
    const route = { peer: PEER_ANY, timeout, flags: laneOf(lane), pick: pickOf(options) }
    if (timeout < 0) throw tooLate(target.label)
    if (options.to !== undefined) route.peer = this.#channel.handleOf(options.to, target.label)

    const slot = this.#take(target.label)
    const call = this.#slots[slot]
    try {
      if (isStream(input) && !target.isSubject) {
        call.sending = new Sending(this.#channel.outbox, { slot, source: input, command: COMMAND.INPUT })
        route.flags |= FLAG.BOOL
        input = null
      }
      this.#channel.outbox.call(slot, target, route, input, outgoing(options.headers))
    } catch (err) {
      call.sending?.end()
      call.sending = null
      this.#free.push(slot)
      throw err
    }
    call.subject = target.label
    call.signal = signal
    call.timeout = route.timeout
    if (signal !== undefined) this.#watch(slot, signal)
    if (this.#open++ === 0) this.#channel.hold()
    if (call.sending !== null) void this.#send(slot, call.sending)
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
    call.sending?.end()
    return call
  }

  // The input that is a stream, until it has ended, or nobody reads it any more.
  async #send(slot, sending) {
    try {
      await sending.run()
    } catch (error) {
      const call = this.#slots[slot]
      if (call.sending !== sending) return // it has just ended
      call.failure = { error }
      this.#channel.outbox.command(COMMAND.CANCEL, slot)
    }
  }

  // A TAKE event: the handler takes so much more, or nothing any more.
  take(event) {
    const { sending } = this.#slots[event.id]
    if (event.arg === 0) sending.end()
    else sending.grant(event.arg)
  }

  // The input could not be sent.
  refuseInput(slot, error) {
    this.#slots[slot].sending?.refuse(error)
  }

  // An ITEM event. The first one is empty and says that the answer is a stream.
  item(event) {
    const call = this.#slots[event.id]
    if (event.payloadLen === 0) return this.#begin(event.id, call)
    let value
    try {
      value = event.value()
    } catch (err) {
      return call.stream.stop({ error: unreadable(err) })
    }
    call.stream.take(value, event.arg)
  }

  #begin(slot, call) {
    const { subject, timeout } = call
    const timedOut = () => {
      const text = `${subject}: no item in time`
      return new MeshError('ERR_WARREN_TIMEOUT', text, { delivered: 'maybe', subject })
    }
    call.stream = new Reading(this.#channel.outbox, slot, { commands: OF_ANSWER, granted: STREAM.WINDOW, timeout, timedOut })
    call.resolve(call.stream)
  }

  // A REPLY event.
  reply(event) {
    if (this.#slots[event.id].stream !== null) return this.#finish(event.id)
    let value
    try {
      value = event.value()
    } catch (err) {
      return this.#settle(event.id, unreadable(err))
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
    if (call.failure !== null) return this.#settle(event.id, call.failure.error)
    this.#settle(event.id, event.arg === CODE.APPLICATION ? thrownBy(event) : this.#errorOf(event, call))
  }

  #errorOf(event, { subject, signal, timeout }) {
    const delivered = event.bool ? 'maybe' : 'no'
    if (event.arg === CODE.CANCELLED) return cancelled(subject, delivered, signal?.reason)
    const detail = event.payloadLen > 0 ? detailOf(event) : ''
    return MeshError.ofCall(event.arg, { detail, delivered, peer: this.#channel.peers.get(event.peer), subject, timeout })
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
  call.sending = null
  call.failure = null
}

function cancelled(subject, delivered, cause) {
  return new MeshError('ERR_WARREN_CANCELLED', `${subject}: the call was cancelled`, { delivered, subject, cause })
}

function tooLate(subject) {
  const text = `${subject}: the call that this one is part of has no time left`
  return new MeshError('ERR_WARREN_TIMEOUT', text, { delivered: 'no', subject })
}

// An answer came, so the handler did run.
function unreadable(err) {
  err.delivered = 'maybe'
  return err
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
