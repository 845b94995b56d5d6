// A service this node offers: requests come in, handlers run, answers go out.
'use strict'

const { AsyncResource } = require('async_hooks')
const { performance } = require('perf_hooks')
const { asyncDispose } = require('./dispose.js')
const { MeshError, badArgument } = require('./errors.js')
const { methods } = require('./names.js')
const { Sending, isStream } = require('./sending.js')
const { handle } = require('./tracing.js')
const { within } = require('./inherited.js')
const { NO_HEADERS } = require('./inbox.js')
const { Reading } = require('./reading.js')
const { CODE, COMMAND } = require('./contract.js')

const OF_INPUT = { grant: COMMAND.TAKE, stop: COMMAND.TAKE }

const ABORT_TEXTS = {
  [CODE.TIMEOUT]: ['ERR_WARREN_TIMEOUT', 'the caller no longer waits: its deadline has passed'],
  [CODE.CANCELLED]: ['ERR_WARREN_CANCELLED', 'the caller cancelled'],
  [CODE.CLOSED]: ['ERR_WARREN_CLOSED', 'the mesh is closing'],
  [CODE.PEER_LOST]: ['ERR_WARREN_PEER_LOST', 'the caller is gone'],
}

// What a handler learns about the call it answers.
class Context {
  #controller = null
  #abortedBy = 0
  #deadline
  #input = null // Reading, and
  #sending = null // Sending: what is a stream of the two

  constructor({ from, headers, deadline, lease }) {
    this.from = from
    this.headers = headers
    if (lease !== undefined) this.lease = lease
    this.#deadline = deadline
  }

  get isAborted() {
    return this.#abortedBy !== 0
  }

  // It came, and waited here, for longer than its caller does.
  get isExpired() {
    return performance.now() >= this.#deadline
  }

  // Made when a handler asks for it: most do not.
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#abortedBy !== 0) this.#controller.abort(reasonOf(this.#abortedBy))
    }
    return this.#controller.signal
  }

  get timeLeft() {
    return Math.max(0, this.#deadline - performance.now())
  }

  // Nobody waits for the answer any more; the handler's end still frees the slot.
  abort(code) {
    this.#abortedBy = code
    if (code === CODE.TIMEOUT) this.#deadline = 0 // C's clock, or the caller's, is a little before this one
    this.#controller?.abort(reasonOf(code))
    this.#input?.fail(reasonOf(code))
    this.#sending?.end()
  }

  // ---- streams

  // A stream has times of its own, in either direction: nothing is limited by the call any more.
  reads(input) {
    this.#deadline = Infinity
    this.#input = input
  }

  // An INPUT event.
  item(event) {
    if (event.payloadLen === 0) return this.#input.finish()
    let value
    try {
      value = event.value()
    } catch (error) {
      return this.#input.stop({ error })
    }
    this.#input.take(value, event.arg)
  }

  sends(sending) {
    if (!this.isAborted) this.#deadline = Infinity
    this.#sending = sending
  }

  grant(bytes) {
    this.#sending?.grant(bytes) // null: of a peer that grants before anything was sent
  }

  refuse(err) {
    this.#sending.refuse(err)
  }

  // The call is answered, and limits nothing any more. Who still reads shall not take that for the end of the input.
  close() {
    this.#deadline = Infinity
    this.#input?.fail(new MeshError('ERR_WARREN_CLOSED', 'the call was answered before its input was read to the end'))
  }
}

function reasonOf(code) {
  const [name, text] = ABORT_TEXTS[code] ?? ABORT_TEXTS[CODE.CANCELLED]
  return new MeshError(name, text, { delivered: 'maybe' })
}

// One for each request: what a handler puts into an AsyncLocalStorage is not seen by the next one.
const RESOURCE_OPTIONS = { requireManualDestroy: true }
const newRequest = () => new AsyncResource('WARREN_REQUEST', RESOURCE_OPTIONS)

class Service {
  #channel
  #entryId
  #methods
  #scope
  #idle = null // settles close()
  #closing = null
  #onClose

  // One of several is chosen for each call.
  get isChosen() {
    return true
  }

  // `lease`: by which it is the only one; `stats` of those before it.
  constructor(channel, entryId, { name, handlers, lease, stats = { requests: 0, errors: 0, inFlight: 0 }, onClose }) {
    this.#channel = channel
    this.#onClose = onClose
    this.#entryId = entryId
    this.#methods = methodsOf(handlers)
    // What stands in an AsyncLocalStorage around serve() is there in the handlers, as with any server of Node.js.
    this.#scope = new AsyncResource('WARREN_SERVICE', RESOURCE_OPTIONS)
    this.name = name
    this.handlers = handlers
    this.stats = stats
    this.lease = lease
  }

  // A REQUEST event.
  request(event) {
    const { outbox } = this.#channel
    const slot = event.id
    const method = event.name
    const handler = this.#methods.get(method)
    if (handler === undefined) return outbox.refuse(slot, CODE.NO_METHOD)
    if (this.lease !== undefined && !this.lease.valid) return outbox.refuse(slot, CODE.NO_RESPONDERS)
    this.stats.requests++
    let input
    try {
      input = event.value()
    } catch (err) {
      this.stats.errors++
      return outbox.fail(slot, err)
    }
    const from = this.#channel.peers.get(event.peer)
    const deadline = event.arg === 0 ? Infinity : this.#channel.batchTime + event.arg
    const context = new Context({ from, headers: event.headers, deadline, lease: this.lease })
    if (context.isExpired) return outbox.refuse(slot, CODE.TIMEOUT)
    this.#channel.running[slot] = context
    if (event.bool) context.reads((input = this.#reading(method, slot, event.arg)))
    this.stats.inFlight++
    this.#run(handler, { method, input, context, slot })
  }

  has(method) {
    return this.#methods.has(method)
  }

  // As a caller would ask, but here and now (health.js): nothing is sent, nothing counted. Rejects with what the handler throws.
  async ask(method, deadline) {
    const context = new Context({ from: this.#channel.peers.self, headers: NO_HEADERS, deadline, lease: this.lease })
    const timer = setTimeout(() => context.abort(CODE.TIMEOUT), context.timeLeft)
    const work = async () => {
      const result = await this.#methods.get(method).call(this.handlers, undefined, context)
      if (isStream(result)) for await (const item of result) return item // the first one will do
      return undefined
    }
    try {
      await this.#scope.runInAsyncScope(newRequest).runInAsyncScope(within, null, context, work)
    } finally {
      clearTimeout(timer)
      context.close()
    }
  }

  // The input that is a stream.
  #reading(method, slot, timeout) {
    const timedOut = () => new MeshError('ERR_WARREN_TIMEOUT', `${this.name}.${method}: no input in time`)
    return new Reading(this.#channel.outbox, slot, { commands: OF_INPUT, granted: 0, timeout, timedOut })
  }

  // A result that is there at once is answered at once.
  #run(handler, { method, input, context, slot }) {
    let result
    const resource = this.#scope.runInAsyncScope(newRequest)
    const stream = (source) => resource.runInAsyncScope(this.#stream, this, { source, context, slot })
    try {
      result = resource.runInAsyncScope(within, null, context, () => this.#call(handler, method, input, context))
      if (typeof result?.then === 'function') {
        Promise.resolve(result).then(
          (value) => (isStream(value) ? stream(value) : this.#reply(slot, value)),
          (err) => this.#fail(slot, err),
        )
        return
      }
    } catch (err) {
      return this.#fail(slot, err)
    }
    if (isStream(result)) stream(result)
    else this.#reply(slot, result)
  }

  // In the scope of its request, like the handler.
  async #stream({ source, context, slot }) {
    try {
      const sending = new Sending(this.#channel.outbox, { source, slot, command: COMMAND.ITEM })
      context.sends(sending)
      if (context.isAborted) sending.end()
      await within(context, () => sending.run())
    } catch (err) {
      return this.#fail(slot, err)
    }
    this.#reply(slot, undefined)
  }

  // Told to those who watch.
  #call(handler, method, input, context) {
    if (!handle.isOn) return handler.call(this.handlers, input, context)
    const { from, headers } = context
    const work = () => handler.call(this.handlers, input, context)
    return handle.run({ service: this.name, method, input, from, headers }, work)
  }

  #reply(slot, value) {
    if (!this.#end(slot)) return
    try {
      this.#channel.outbox.reply(slot, value)
    } catch (err) {
      this.stats.errors++
      this.#channel.outbox.fail(slot, err)
    }
  }

  #fail(slot, err) {
    this.stats.errors++
    if (this.#end(slot)) this.#channel.outbox.fail(slot, err)
  }

  // False when there is nobody left to answer.
  #end(slot) {
    if (--this.stats.inFlight === 0) this.#idle?.()
    this.#channel.running[slot].close()
    this.#channel.running[slot] = undefined
    return !this.#channel.isClosed
  }

  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close() {
    this.#onClose()
    this.#channel.peers.withdrawOwn(this.name)
    this.#channel.withdraw(this.#entryId)
    if (this.stats.inFlight > 0) await new Promise((resolve) => (this.#idle = resolve))
  }

  // The mesh is closed.
  leave() {
    void this.close()
  }

  [asyncDispose]() {
    return this.close()
  }
}

// The functions of a plain object or of an instance of a class.
function methodsOf(handlers) {
  if (typeof handlers !== 'object' || handlers === null) throw badArgument(TypeError, 'handlers must be an object of functions')
  const found = new Map()
  for (let object = handlers; object !== null && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (typeof value !== 'function' || found.has(name) || name === 'constructor') continue
      methods.of(name) // throws ERR_WARREN_BAD_NAME
      found.set(name, value)
    }
  }
  if (found.size === 0) throw badArgument(TypeError, 'handlers must have at least one function')
  return found
}

module.exports = { Service, methodsOf }
