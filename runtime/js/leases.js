// Leases: names that at most one node has. The agent keeps them alive; what is valid is told by the clock, in C.
'use strict'

const { asyncDispose } = require('./dispose.js')
const { MeshError, badArgument } = require('./errors.js')
const { names } = require('./names.js')
const { TAKES, secondsOf, signalOf, takenBy } = require('./options.js')
const { COMMAND, LIMIT } = require('./contract.js')

const STATE = { WAITING: 0, HELD: 1, OVER: 2 }
const CODES = ['ERR_WARREN_CANCELLED', 'ERR_WARREN_LEASE_LOST', 'ERR_WARREN_LEASE_HELD', 'ERR_WARREN_NO_QUORUM', 'ERR_WARREN_OVERLOADED']
const ANSWER_MS = 10_000 // the store has 5 s
const WAIT_MAX_MS = 0x7fffffff - ANSWER_MS // of a timer
const NOTHING_TOLD = { why: 3, text: 'the agent has not answered: is it stopped, or gone?' }

class Lease {
  #name
  #token = 0n
  #lost = new AbortController()
  #isOver = false
  #isValid
  #release
  #releasing = null

  constructor(name, { isValid, release }) {
    this.#name = name
    this.#isValid = isValid
    this.#release = release
  }

  static hold(lease, token) {
    lease.#token = token
  }

  // It is over, and `err` says why when that was not asked for.
  static end(lease, err) {
    lease.#isOver = true
    if (err !== undefined && lease.#releasing === null) lease.#lost.abort(err)
  }

  get name() {
    return this.#name
  }

  get token() {
    return this.#token
  }

  get valid() {
    return !this.#isOver && this.#releasing === null && this.#isValid()
  }

  get signal() {
    return this.#lost.signal
  }

  release() {
    if (this.#isOver && this.#releasing === null) return Promise.resolve()
    this.#releasing ??= this.#release()
    return this.#releasing
  }

  [asyncDispose]() {
    return this.release()
  }
}

// One that is asked for, had, or given back.
class Asked {
  told = NOTHING_TOLD // what it waits for
  onTold = undefined
  isHeld = false
  isEnding = false

  constructor(name, ttl, onWaiting) {
    this.name = name
    this.ttl = ttl
    this.onWaiting = onWaiting
    this.held = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }))
    this.over = new Promise((resolve) => (this.end = resolve))
  }

  error(why, text, cause) {
    return new MeshError(CODES[why] ?? 'ERR_WARREN_NO_QUORUM', `lease ${this.name}: ${text}`, { subject: this.name, cause })
  }
}

class Leases {
  #channel
  #isValid
  #all = new Map() // id -> Asked

  // `isValid` asks C.
  constructor(channel, isValid) {
    this.#channel = channel
    this.#isValid = isValid
  }

  // `onWaiting` is called when it is not to be had at once.
  async ask(name, given, onWaiting) {
    const { ttl, wait = true, signal: givenSignal } = takenBy(TAKES.LEASE, given)
    const bytes = names.of(name)
    const seconds = secondsOf(ttl)
    const limit = waitOf(wait)
    const signal = signalOf(givenSignal)
    MeshError.mustBeBelow(LIMIT.LEASES, this.#all.size, 'leases are had or waited for', name)
    if (signal?.aborted) throw new Asked(name).error(0, 'no longer waited for', signal.reason)
    const id = this.#channel.nextId()
    const asked = new Asked(name, seconds * 1000, onWaiting)
    asked.lease = new Lease(name, { isValid: () => this.#isValid(id), release: () => this.#release(id) })
    this.#all.set(id, asked)
    this.#channel.hold()
    this.#channel.outbox.named(COMMAND.LEASE, id, seconds, bytes, undefined, 0, limit > 0 ? 1 : 0)
    return this.#within(id, asked, { limit, signal })
  }

  // The limit is for standing in line. That one does, and why, the agent says when the store has answered: so long it is
  // waited for in any case, and not for ever.
  async #within(id, asked, { limit, signal }) {
    const timers = []
    const giveUp = (err) => {
      if (asked.isHeld || asked.isEnding) return
      asked.reject(err)
      void this.#release(id)
    }
    const onAbort = () => giveUp(asked.error(0, 'no longer waited for', signal.reason))
    const tell = () => giveUp(asked.error(asked.told.why, `${asked.told.text} (waited ${limit} ms)`))
    const onLate = () => (asked.told === NOTHING_TOLD ? (asked.onTold = tell) : tell())
    if (limit !== Infinity) timers.push(setTimeout(onLate, limit), setTimeout(tell, limit + ANSWER_MS))
    signal?.addEventListener('abort', onAbort)
    try {
      return await asked.held
    } finally {
      for (const timer of timers) clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  // Resolves when others can have it: the agent says so; by the time to live it is so in any case.
  async #release(id) {
    const asked = this.#all.get(id)
    if (asked === undefined) return
    if (!asked.isEnding) this.#channel.outbox.command(COMMAND.UNLEASE, id)
    asked.isEnding = true
    const timer = setTimeout(() => this.#end(id), asked.ttl)
    await asked.over
    clearTimeout(timer)
  }

  #end(id, err) {
    const asked = this.#all.get(id)
    if (asked === undefined) return
    this.#all.delete(id)
    this.#channel.release()
    Lease.end(asked.lease, err)
    if (!asked.isHeld) asked.reject(err ?? asked.error(0, 'no longer waited for'))
    asked.end()
  }

  async releaseAll() {
    await Promise.all([...this.#all.keys()].map((id) => this.#giveBack(id)))
  }

  #giveBack(id) {
    const asked = this.#all.get(id)
    if (asked.isHeld) return asked.lease.release()
    if (!asked.isEnding) asked.reject(new MeshError('ERR_WARREN_CLOSED', `lease ${asked.name}: the mesh is closing`, { subject: asked.name }))
    return this.#release(id)
  }

  // A LEASE event.
  take(event) {
    const asked = this.#all.get(event.id)
    if (asked === undefined) return
    const state = event.arg & 0xff
    const why = event.arg >> 8
    if (state === STATE.OVER) return this.#end(event.id, why === 0 ? undefined : asked.error(why, event.name))
    if (asked.isEnding) return
    if (state === STATE.WAITING) {
      asked.told = { why, text: event.name }
      asked.onWaiting?.()
      asked.onTold?.()
    } else if (!asked.isHeld) {
      asked.isHeld = true
      Lease.hold(asked.lease, BigInt(event.text))
      asked.resolve(asked.lease)
    }
  }

  // C would not ask.
  refuse(id, err) {
    this.#end(id, err)
  }

  // Nobody keeps any of them alive: the agent is gone, or the mesh is closed.
  close(cause) {
    for (const [id, asked] of [...this.#all]) {
      this.#end(id, asked.isHeld ? asked.error(1, cause.message, cause) : cause)
    }
  }
}

// Milliseconds: 0 not at all, Infinity without an end.
function waitOf(wait) {
  if (wait === true) return Infinity
  if (wait === false) return 0
  if (typeof wait === 'number' && wait >= 0) return wait > WAIT_MAX_MS ? Infinity : wait
  throw badArgument(RangeError, 'wait must be true, false or milliseconds')
}

module.exports = { Leases }
