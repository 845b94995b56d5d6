// A subscription: messages wait here until the reader of its loop takes them.
'use strict'

const { CODE, LIMIT } = require('./contract.js')
const { asyncDispose } = require('./dispose.js')
const { MeshError, badArgument } = require('./errors.js')
const { TAKES, signalOf, takenBy } = require('./options.js')
const { CHANNELS } = require('./tracing.js')

const HIGH_WATER_MARK_DEFAULT = 1024
// Whatever the mark says, so many bytes are enough to keep for a slow reader. Each message counts with what it takes
// beside its payload: a mark without end and empty messages are no way around.
const QUEUE_LEN_MAX = 4 << 20
const MSG_LEN = 128

const POLICIES = new Set(['pause', 'drop-oldest', 'drop-newest'])

class Msg {
  #channel
  #slot
  #len
  #owed = null

  constructor(channel, { subject, data, from, headers, slot, len }) {
    this.#channel = channel
    this.#slot = slot
    this.#len = len
    this.subject = subject
    this.data = data
    this.from = from
    this.headers = headers
    this.wantsResponse = slot >= 0
  }

  // What it takes of its queue, in bytes.
  static lenOf(msg) {
    return msg.#len
  }

  // The queue is full: the sender gets its credit, {peer, cost, lane}, when the message is read, and may send no more
  // than its window until then.
  static owe(msg, owed) {
    msg.#owed = owed
  }

  static settle(msg) {
    if (msg.#owed === null) return
    const { peer, cost, lane } = msg.#owed
    // One that is gone gets no credit, and nothing is kept of it.
    if (msg.#channel.peers.get(peer) !== undefined) msg.#channel.outbox.consumed(peer, cost, lane)
  }

  respond(data) {
    if (!this.#isAwaited) return false
    this.#channel.outbox.reply(this.#slot, data)
    return this.#end()
  }

  respondError(error) {
    if (!this.#isAwaited) return false
    this.#channel.outbox.fail(this.#slot, error)
    return this.#end()
  }

  get #isAwaited() {
    return this.#slot >= 0 && !this.#channel.isClosed
  }

  #end() {
    this.#channel.running[this.#slot] = undefined
    this.#slot = -1
    return true
  }

  // Nobody waits any more, or nobody will read it: frees the slot of its call.
  abort(code) {
    if (!this.#isAwaited) return
    this.#channel.outbox.refuse(this.#slot, code)
    this.#end()
  }
}

// From so many places on an array that is half empty, or empty, is let go.
const SPARE_MAX = 1024

class Queue {
  #msgs = []
  #head = 0
  #tail = 0
  len = 0 // bytes

  get size() {
    return this.#tail - this.#head
  }

  push(msg) {
    this.#msgs[this.#tail++] = msg
    this.len += Msg.lenOf(msg)
  }

  // undefined when empty.
  shift() {
    if (this.#head === this.#tail) return undefined
    const msg = this.#msgs[this.#head]
    this.#msgs[this.#head++] = undefined
    this.len -= Msg.lenOf(msg)
    if (this.#head === this.#tail) {
      if (this.#tail > SPARE_MAX) this.#msgs = []
      this.#head = this.#tail = 0
    } else if (this.#head >= SPARE_MAX && this.#head * 2 > this.#tail) {
      this.#msgs = this.#msgs.slice(this.#head, this.#tail)
      this.#tail -= this.#head
      this.#head = 0
    }
    return msg
  }
}

class Subscription {
  #channel
  #entryId
  #highWaterMark
  #overflow
  #signal
  #isLiteral
  #isOfGroup
  #queue = new Queue()
  #readers = [] // of next(), that wait
  #isEnded = false
  #ready
  #isReadyRead = false
  #onAbort = () => this.unsubscribe({ discard: true })
  dropped = 0

  constructor(channel, entryId, { subject, options }) {
    this.#channel = channel
    this.#entryId = entryId
    this.#highWaterMark = options.highWaterMark ?? HIGH_WATER_MARK_DEFAULT
    this.#overflow = options.overflow ?? 'pause'
    this.#signal = options.signal ?? undefined
    this.subject = subject
    this.#isOfGroup = options.queue !== undefined
    this.#isLiteral = !/[*>]/.test(subject)
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  static check({ highWaterMark = 1, overflow = 'pause', signal }) {
    if (!Number.isInteger(highWaterMark) || highWaterMark < 1) {
      throw badArgument(RangeError, 'highWaterMark must be a whole number from 1 up')
    }
    signalOf(signal)
    if (!POLICIES.has(overflow)) throw badArgument(RangeError, `overflow must be one of ${[...POLICIES].join(', ')}`)
  }

  // Who does not look at `ready` is told of its failure by 'error', unless it was unsubscribed.
  begin(ready) {
    this.#ready = ready
    ready.catch((err) => this.#isReadyRead || err.code === 'ERR_WARREN_CLOSED' || this.#channel.tellError(err))
  }

  get ready() {
    this.#isReadyRead = true
    return this.#ready
  }

  get queued() {
    return this.#queue.size
  }

  // A MESSAGE event.
  message(event) {
    const { peer, arg: cost, lane } = event
    let msg
    try {
      msg = this.#read(event, -1)
    } catch (err) {
      this.#channel.outbox.consumed(peer, cost, lane)
      throw err
    }
    this.#push(msg, peer, cost, lane)
  }

  // A REQUEST event.
  request(event) {
    let msg
    try {
      msg = this.#read(event, event.id)
    } catch (err) {
      return this.#channel.outbox.fail(event.id, err)
    }
    this.#channel.running[event.id] = msg
    this.#push(msg, 0, 0, 0)
  }

  #read(event, slot) {
    const data = event.value()
    const subject = this.#isLiteral ? this.subject : event.name
    const from = this.#channel.peers.get(event.peer)
    const { headers } = event
    if (CHANNELS.receive.hasSubscribers) CHANNELS.receive.publish({ subject, data, from, headers })
    return new Msg(this.#channel, { subject, data, from, headers, slot, len: event.payloadLen + MSG_LEN })
  }

  #push(msg, peer, cost, lane) {
    if (this.#readers.length > 0) {
      this.#channel.outbox.consumed(peer, cost, lane)
      this.#readers.shift()({ value: msg, done: false })
      return
    }
    if (this.#isFull && this.#overflow === 'pause') {
      Msg.owe(msg, { peer, cost, lane })
    } else {
      this.#channel.outbox.consumed(peer, cost, lane)
      if (this.#isFull && this.#overflow === 'drop-newest') return this.#drop(msg)
      while (this.#isFull) this.#drop(this.#queue.shift()) // a large one takes the place of many small ones
    }
    this.#queue.push(msg)
  }

  get #isFull() {
    return this.#queue.size >= this.#highWaterMark || this.#queue.len > QUEUE_LEN_MAX
  }

  #drop(msg) {
    this.dropped++
    msg.abort(CODE.OVERLOADED)
  }

  next() {
    const msg = this.#queue.shift()
    if (msg !== undefined) {
      Msg.settle(msg)
      return Promise.resolve({ value: msg, done: false })
    }
    if (this.#isEnded) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => {
      MeshError.mustBeBelow(LIMIT.WAITS, this.#readers.length, 'calls of next() wait', this.subject)
      this.#readers.push(resolve)
    })
  }

  // `break` in a loop.
  return(value) {
    this.unsubscribe({ discard: true })
    return Promise.resolve({ value, done: true })
  }

  throw(err) {
    this.unsubscribe({ discard: true })
    return Promise.reject(err)
  }

  unsubscribe(options) {
    const { discard = false } = takenBy(TAKES.UNSUBSCRIBE, options)
    if (typeof discard !== 'boolean') throw badArgument(TypeError, 'discard must be true or false')
    if (discard) this.#discard()
    if (this.#isEnded) return
    this.#isEnded = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#channel.withdraw(this.#entryId)
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true })
  }

  // One of several is chosen for each message.
  get isChosen() {
    return this.#isOfGroup && !this.#isEnded
  }

  // The node leaves: others of its group get the work from now on.
  drain() {
    if (this.#isOfGroup) this.unsubscribe()
  }

  // The mesh is closed, or never got to know of it: what is queued can still be read.
  leave() {
    this.unsubscribe()
  }

  #discard() {
    for (let msg; (msg = this.#queue.shift()) !== undefined; ) {
      Msg.settle(msg)
      msg.abort(CODE.NO_RESPONDERS)
    }
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async [asyncDispose]() {
    this.unsubscribe({ discard: true })
  }
}

module.exports = { Subscription }
