// A service that one node of the cluster serves: who has the lease of its name. The others stand by, and one of them takes
// its place when the lease is lost or given back.
'use strict'

const { setTimeout: sleep } = require('timers/promises')
const { asyncDispose } = require('./dispose.js')
const { Service, methodsOf } = require('./service.js')
const { names } = require('./names.js')
const { ENTRY } = require('./contract.js')

const AGAIN_MS = 5000 // when there can be no lease now

class Exclusive {
  #channel
  #ttl
  #tags
  #closing = new AbortController()
  #closed = null
  #isOpen = false
  #living = null
  #service = null // while this node serves
  #onClose

  constructor(channel, name, { handlers, tags, exclusive, onClose }) {
    this.#channel = channel
    this.#tags = tags
    this.#onClose = onClose
    this.#ttl = exclusive.ttl
    methodsOf(handlers)
    names.of(leaseOf(name))
    this.name = name
    this.handlers = handlers
    this.stats = { requests: 0, errors: 0, inFlight: 0 }
  }

  // The lease by which this node serves now; undefined while it stands by.
  get lease() {
    return this.#service?.lease
  }

  // Resolves when it serves or stands by; rejects when it can do neither.
  async open() {
    this.#channel.standing.add(this.name)
    let onWaiting
    const waiting = new Promise((resolve) => (onWaiting = resolve))
    const asking = this.#ask(onWaiting)
    const serving = asking.then((lease) => this.#begin(lease))
    this.#living = this.#live(serving)
    await Promise.race([waiting, serving])
    this.#isOpen = true
    if (this.#service === null) this.#channel.standsBy()
  }

  #ask(onWaiting) {
    return this.#channel.leases.ask(leaseOf(this.name), { ttl: this.#ttl, signal: this.#closing.signal }, onWaiting)
  }

  // Others find it here when the promise resolves.
  async #begin(lease) {
    const entryId = this.#channel.nextId()
    const { name, handlers, stats } = this
    try {
      this.#channel.mustHaveRoom(name)
      const service = this.#service = new Service(this.#channel, entryId, { name, handlers, stats, lease, onClose: () => {} })
      await this.#channel.announce(entryId, service, { kind: ENTRY.SERVICE, name: names.of(name), tags: this.#tags })
    } catch (err) {
      await this.#end(lease)
      throw err
    }
    return lease
  }

  async #live(serving) {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#serve(await serving)
      } catch (err) {
        if (!this.#isOpen || this.#isOver) return // whoever waits for open() or close() is told
        this.#channel.tellError(err)
        await sleep(AGAIN_MS, undefined, { signal: this.#closing.signal }).catch(() => {})
      }
      if (!this.#closing.signal.aborted) serving = this.#ask().then((lease) => this.#begin(lease))
    }
  }

  // Nobody will ever give it a lease.
  get #isOver() {
    return this.#closing.signal.aborted || this.#channel.isLost || this.#channel.isClosed
  }

  // Until the lease is lost or the service is closed. Who has lost it waits for no handler: they see it by their context.
  async #serve(lease) {
    await aborted(lease.signal, this.#closing.signal)
    await this.#end(lease)
  }

  async #end(lease) {
    const service = this.#service
    this.#service = null
    const closed = service?.close()
    if (!lease.signal.aborted) await closed
    await lease.release()
  }

  close() {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close() {
    this.#onClose()
    this.#channel.standing.delete(this.name)
    this.#closing.abort()
    await this.#living
  }

  // Another instance has this one's place: it may have the lease as soon as what runs here is done.
  retire() {
    void this.close()
  }

  [asyncDispose]() {
    return this.close()
  }
}

// Not the lease that a program asks for by the same name.
function leaseOf(name) {
  return `service:${name}`
}

async function aborted(...signals) {
  const heard = new AbortController()
  await new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', resolve, { signal: heard.signal })
    }
  })
  heard.abort()
}

module.exports = { Exclusive }
