// A stream on its way to who reads it, an answer or the input of a call: each item of an async iterable, as far as the
// reader takes them.
'use strict'

const { COMMAND, STREAM } = require('./contract.js')

// An async generator, a Readable, a web ReadableStream. Arrays and Maps are values.
function isStream(value) {
  return typeof value === 'object' && value !== null && typeof value[Symbol.asyncIterator] === 'function'
}

// Of one that nobody will read: as if its reader had left at once.
function endSource(source) {
  try {
    new Sending(null, { source }).end()
  } catch {} // somebody else's: it is locked
}

class Sending {
  #outbox
  #slot
  #command
  #items
  #stop // ends a source that may wait for its own next item
  #room = 0
  #wake = null
  #refusal = null
  #isEnded = false

  // `command`: ITEM or INPUT.
  constructor(outbox, { slot, source, command }) {
    this.#outbox = outbox
    this.#slot = slot
    this.#command = command
    if (typeof source.getReader === 'function') {
      const reader = source.getReader() // a locked stream throws
      this.#items = chunksOf(reader)
      this.#stop = () => reader.cancel()
    } else {
      this.#items = source[Symbol.asyncIterator]()
      // A file that is not there says so before anybody reads: that is told when it is read.
      if (typeof source.pipe === 'function') source.on('error', () => {})
      this.#stop = () => (typeof source.destroy === 'function' ? source.destroy() : this.#items.return?.())
    }
  }

  // Resolves when the source has ended, or nobody reads any more; rejects with what the source threw, or with why an item
  // cannot be sent. In any case the source is over then: a generator has run its `finally`.
  async run() {
    try {
      if (this.#command === COMMAND.ITEM && !this.#isEnded) {
        this.#outbox.command(COMMAND.ITEM, this.#slot) // it begins: deadlines end here
        this.#room = STREAM.WINDOW - STREAM.ITEM_HEAD_LEN
      }
      await this.#sendAll()
      // Of an answer the REPLY is the end.
      if (this.#command === COMMAND.INPUT && !this.#isEnded) this.#outbox.command(COMMAND.INPUT, this.#slot)
    } catch (err) {
      if (!this.#isEnded) throw err
    }
    if (this.#refusal !== null) throw this.#refusal
  }

  async #sendAll() {
    if (this.#room <= 0) await this.#hasRoom()
    if (this.#isEnded) return void (await this.#items.return?.())
    for await (const item of { [Symbol.asyncIterator]: () => this.#items }) {
      if (!this.#isEnded) this.#room -= this.#outbox.item(this.#command, this.#slot, item) + STREAM.ITEM_HEAD_LEN
      if (this.#room <= 0) await this.#hasRoom()
      if (this.#isEnded) break
    }
  }

  async #hasRoom() {
    while (this.#room <= 0 && !this.#isEnded) await new Promise((resolve) => (this.#wake = resolve))
  }

  // The reader takes so many bytes more.
  grant(bytes) {
    this.#room += bytes
    this.#wake?.()
  }

  // Nobody reads any more.
  end() {
    if (this.#isEnded) return
    this.#isEnded = true
    void this.#stopped()
    this.#wake?.()
  }

  // What a source throws while it is ended, nobody waits for.
  async #stopped() {
    try {
      await this.#stop()
    } catch {}
  }

  // C could not send an item, so nothing may follow it.
  refuse(err) {
    this.#refusal ??= err
    this.end()
  }
}

// Not the stream's own iterator: that cannot be ended while it waits for a chunk.
async function* chunksOf(reader) {
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } finally {
    await reader.cancel()
  }
}

module.exports = { Sending, endSource, isStream }
