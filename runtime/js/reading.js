// An answer that is a stream, at the caller: what has come and was not read yet, and its one end.
'use strict'

const { asyncDispose } = require('./dispose.js')
const { COMMAND, STREAM } = require('./contract.js')

class Reading {
  #outbox
  #slot
  #timeout // of a next() that waits; 0: none
  #timedOut // makes the error
  #timer = null
  #items = [] // {value, cost}
  #waiting = [] // next() for which nothing has come yet
  #isOpen = true // C knows the call
  #isOver = false
  #failure = null // {error}: told once, behind the items
  #owed = 0 // bytes taken, of which the sender does not know

  constructor(outbox, slot, { window, timeout, timedOut }) {
    this.#outbox = outbox
    this.#slot = slot
    this.#timeout = timeout
    this.#timedOut = timedOut
    this.#taken(window - STREAM.WINDOW)
  }

  // ---- what comes

  take(value, cost) {
    if (this.#isOver) return
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#items.push({ value, cost })
      return
    }
    next.resolve({ value, done: false })
    this.#taken(cost)
    if (this.#waiting.length > 0) this.#watch()
  }

  finish() {
    this.#isOpen = false
    this.#end(null)
  }

  fail(error) {
    this.#isOpen = false
    this.#end({ error })
  }

  // An end of this side's own making: the sender is told to stop.
  stop(failure) {
    if (this.#isOpen) this.#outbox.command(COMMAND.CANCEL, this.#slot)
    this.#isOpen = false
    this.#end(failure)
  }

  // Who cancelled reads no more, also not what has come already.
  drop() {
    this.#items = []
  }

  #end(failure) {
    if (this.#isOver) return
    this.#isOver = true
    this.#failure = failure
    clearTimeout(this.#timer)
    for (const next of this.#waiting.splice(0)) this.#tellEnd(next)
  }

  #tellEnd({ resolve, reject }) {
    const failure = this.#failure
    this.#failure = null
    if (failure === null) resolve({ value: undefined, done: true })
    else reject(failure.error)
  }

  #taken(cost) {
    this.#owed += cost
    if (!this.#isOpen || this.#owed < STREAM.GRANT_STEP) return
    this.#outbox.command(COMMAND.GRANT, this.#slot, 0, this.#owed)
    this.#owed = 0
  }

  // From now on the time runs for who waits.
  #watch() {
    if (this.#timeout === 0) return
    if (this.#timer !== null) return void this.#timer.refresh()
    this.#timer = setTimeout(() => {
      if (this.#waiting.length > 0) this.stop({ error: this.#timedOut() })
    }, this.#timeout)
    this.#timer.unref() // the open call keeps the process alive
  }

  // ---- what the reader does

  next() {
    const item = this.#items.shift()
    if (item !== undefined) {
      this.#taken(item.cost)
      return Promise.resolve({ value: item.value, done: false })
    }
    return new Promise((resolve, reject) => {
      const next = { resolve, reject }
      if (this.#isOver) return this.#tellEnd(next)
      this.#waiting.push(next)
      if (this.#waiting.length === 1) this.#watch()
    })
  }

  return(value) {
    this.drop()
    this.stop(null)
    this.#failure = null
    return Promise.resolve({ value, done: true })
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async [asyncDispose]() {
    await this.return()
  }
}

module.exports = { Reading }
