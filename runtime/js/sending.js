// An answer that is a stream, on its way to the caller: each item of an async iterable, as far as the caller takes them.
'use strict'

const { COMMAND, STREAM } = require('./contract.js')

// An async generator, a Readable, a web ReadableStream. Arrays and Maps are values.
function isStream(value) {
  return typeof value === 'object' && value !== null && typeof value[Symbol.asyncIterator] === 'function'
}

class Sending {
  #outbox
  #slot
  #items
  #stop // ends a source that may wait for its own next item
  #context
  #room = STREAM.WINDOW
  #wake = null
  #refusal = null
  #isAborted = false

  constructor(outbox, { slot, source, context }) {
    this.#outbox = outbox
    this.#slot = slot
    this.#context = context
    if (typeof source.getReader === 'function') {
      const reader = source.getReader() // a locked stream throws
      this.#items = chunksOf(reader)
      this.#stop = () => reader.cancel().catch(() => {})
    } else {
      this.#items = source
      this.#stop = () => source.destroy?.()
    }
  }

  // Resolves when the source has ended, or nobody reads any more; rejects with what the source threw, or with why an item
  // cannot be sent. In any case the source is over then: a generator has run its `finally`.
  async run() {
    if (this.#context.isAborted) {
      this.#stop()
      await this.#items.return?.()
      return
    }
    this.#outbox.command(COMMAND.ITEM, this.#slot) // it begins: deadlines end here
    try {
      await this.#sendAll()
    } catch (err) {
      if (!this.#isAborted) throw err
    }
    if (this.#refusal !== null) throw this.#refusal
  }

  async #sendAll() {
    this.#room -= STREAM.ITEM_HEAD_LEN
    for await (const item of this.#items) {
      if (!this.#isAborted) this.#room -= this.#outbox.item(this.#slot, item) + STREAM.ITEM_HEAD_LEN
      while (this.#room <= 0 && !this.#isAborted) await new Promise((resolve) => (this.#wake = resolve))
      if (this.#isAborted) break
    }
  }

  // The caller takes so many bytes more.
  grant(bytes) {
    this.#room += bytes
    this.#wake?.()
  }

  // Nobody reads any more.
  abort(code) {
    this.#context.abort(code)
    this.#end()
  }

  // C could not send an item, so nothing may follow it.
  refuse(err) {
    this.#refusal ??= err
    this.#end()
  }

  #end() {
    this.#isAborted = true
    this.#stop()
    this.#wake?.()
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

module.exports = { Sending, isStream }
