// A subscription: messages wait here until the reader of its loop takes them.
'use strict'

const { CODE } = require('./contract.js')
const { asyncDispose } = require('./dispose.js')
const { signalOf } = require('./options.js')
const { CHANNELS } = require('./tracing.js')

const HIGH_WATER_MARK_DEFAULT = 1024
// Whatever the mark says, so many bytes are enough to keep for a slow reader.
const QUEUE_LEN_MAX = 4 << 20

const POLICIES = new Set(['pause', 'drop-oldest', 'drop-newest'])

class Msg {
  #channel
  #slot

  constructor(channel, { subject, data, from, headers, slot }) {
    this.#channel = channel
    this.#slot = slot
    this.subject = subject
    this.data = data
    this.from = from
    this.headers = headers
    this.wantsResponse = slot >= 0
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

// A message in the queue: what it takes of the queue's bytes, and the credit that its sender still waits for.
class Item {
  constructor(msg, len) {
    this.msg = msg
    this.len = len
    this.peer = 0
    this.cost = 0
    this.lane = 0
  }
}

class Queue {
  #items = []
  #head = 0
  len = 0 // bytes

  get size() {
    return this.#items.length - this.#head
  }

  push(item) {
    this.#items.push(item)
    this.len += item.len
  }

  // undefined when empty.
  shift() {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    this.len -= item.len
    if (this.#head === this.#items.length) {
      this.#items.length = this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
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
      throw new RangeError('highWaterMark must be a whole number from 1 up')
    }
    signalOf(signal)
    if (!POLICIES.has(overflow)) throw new RangeError(`overflow must be one of ${[...POLICIES].join(', ')}`)
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
    this.#push(new Item(msg, event.payloadLen), peer, cost, lane)
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
    this.#push(new Item(msg, event.payloadLen), 0, 0, 0)
  }

  #read(event, slot) {
    const data = event.value()
    const subject = this.#isLiteral ? this.subject : event.name
    const from = this.#channel.peers.get(event.peer)
    const { headers } = event
    if (CHANNELS.receive.hasSubscribers) CHANNELS.receive.publish({ subject, data, from, headers })
    return new Msg(this.#channel, { subject, data, from, headers, slot })
  }

  #push(item, peer, cost, lane) {
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      this.#channel.outbox.consumed(peer, cost, lane)
      reader({ value: item.msg, done: false })
      return
    }
    const isFull = this.#queue.size >= this.#highWaterMark || this.#queue.len > QUEUE_LEN_MAX
    if (isFull && this.#overflow === 'pause') {
      // The sender gets its credit when the message is read: until then it may send no more than its window.
      item.peer = peer
      item.cost = cost
      item.lane = lane
    } else {
      this.#channel.outbox.consumed(peer, cost, lane)
      if (isFull && this.#overflow === 'drop-newest') return this.#drop(item)
      if (isFull) this.#drop(this.#queue.shift())
    }
    this.#queue.push(item)
  }

  #drop(item) {
    this.dropped++
    item.msg.abort(CODE.OVERLOADED)
  }

  next() {
    const item = this.#queue.shift()
    if (item !== undefined) {
      if (item.cost > 0) this.#channel.outbox.consumed(item.peer, item.cost, item.lane)
      return Promise.resolve({ value: item.msg, done: false })
    }
    if (this.#isEnded) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => this.#readers.push(resolve))
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

  unsubscribe({ discard = false } = {}) {
    if (discard) this.#discard()
    if (this.#isEnded) return
    this.#isEnded = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#channel.withdraw(this.#entryId)
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true })
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
    for (let item; (item = this.#queue.shift()) !== undefined; ) {
      if (item.cost > 0) this.#channel.outbox.consumed(item.peer, item.cost, item.lane)
      item.msg.abort(CODE.NO_RESPONDERS)
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
