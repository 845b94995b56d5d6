// A stream at who reads it, the caller of an answer or the handler of an input: what has come and was not read yet, and its
// one end.
'use strict'

const { performance } = require('perf_hooks')
const { asyncDispose } = require('./dispose.js')
const { LIMIT, STREAM } = require('./contract.js')
const { MeshError } = require('./errors.js')

const TIMER_MAX_MS = 0x7fffffff // of setTimeout

class Reading {
  static #wideCount = 0

  #commands
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
  #owed // bytes taken, of which the sender does not know
  #granted // bytes it knows of, since the stream began
  #came = 0 // bytes
  #lap = { since: performance.now(), end: 0, farCount: 0 } // from a grant to the last byte that it allows
  #isWide = false

  // `commands`: {grant, stop}; `granted`: bytes that the sender may send before it hears of this reader.
  constructor(outbox, slot, { commands, granted, timeout, timedOut }) {
    this.#commands = commands
    this.#outbox = outbox
    this.#slot = slot
    this.#timeout = timeout
    this.#timedOut = timedOut
    this.#granted = granted
    this.#owed = STREAM.WINDOW - granted // said when somebody reads
  }

  // ---- what comes

  take(value, cost) {
    if (this.#isOver) return
    const next = this.#waiting.shift()
    if ((this.#came += cost) >= this.#lap.end) this.#endLap(next !== undefined)
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
    if (this.#isOpen) this.#outbox.command(this.#commands.stop, this.#slot)
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
    if (this.#isWide) Reading.#wideCount--
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
    this.#outbox.command(this.#commands.grant, this.#slot, 0, this.#owed)
    this.#granted += this.#owed
    this.#owed = 0
  }

  // A reader that waits for each window waits for its own word to arrive: a wider one saves it that.
  #endLap(isAwaited) {
    const lap = this.#lap
    const now = performance.now()
    lap.farCount = isAwaited && now - lap.since >= STREAM.FAR_MS ? lap.farCount + 1 : 0
    lap.since = now
    lap.end = this.#granted
    if (this.#isWide || lap.farCount < STREAM.FAR_COUNT || Reading.#wideCount === STREAM.WIDE_MAX) return
    this.#isWide = true
    Reading.#wideCount++
    this.#taken(STREAM.WIDE_WINDOW - STREAM.WINDOW)
  }

  // From now on the time runs for who waits.
  #watch() {
    if (this.#timeout === 0) return
    if (this.#timer !== null) return void this.#timer.refresh()
    this.#timer = setTimeout(() => {
      if (this.#waiting.length > 0) this.stop({ error: this.#timedOut() })
    }, Math.min(this.#timeout, TIMER_MAX_MS))
    this.#timer.unref() // the open call, or the service, keeps the process alive
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
      MeshError.mustBeBelow(LIMIT.WAITS, this.#waiting.length, 'calls of next() wait')
      this.#waiting.push(next)
      this.#taken(0)
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
