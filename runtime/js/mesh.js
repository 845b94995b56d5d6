// Mesh: what users hold. It checks what they give; channel.js and its parts do the work.
'use strict'

const { EventEmitter } = require('events')
const { performance } = require('perf_hooks')
const { createClient } = require('./client.js')
const { ENTRY, LANE, LIMIT } = require('./contract.js')
const { dispose, asyncDispose } = require('./dispose.js')
const { MeshError, badArgument } = require('./errors.js')
const { begin, outgoing } = require('./inherited.js')
const { NONE, names, patterns, subjects } = require('./names.js')
const { TAKES, exclusiveOf, laneOf, takenBy, timeoutOf } = require('./options.js')
const { offeredTags, pickOf } = require('./pick.js')
const { Exclusive } = require('./exclusive.js')
const { Service } = require('./service.js')
const { Subscription } = require('./subscription.js')
const { CHANNELS, changeable, sent } = require('./tracing.js')

const CLOSE_TIMEOUT_MS = 5000
const CLOSE_TIMEOUT_MAX_MS = 0x7fffffff // of a timer
const RETIRE = Symbol('warren.retire')
const PLAIN = { lane: LANE.NORMAL, pick: undefined } // without options

class Mesh extends EventEmitter {
  #channel
  #services = new Map() // by name
  #hooks = []
  #closing = null
  #state = 'open'

  constructor(channel) {
    super()
    this.#channel = channel
    channel.mesh = this
  }

  get self() {
    return this.#channel.peers.self
  }

  get state() {
    return this.#state
  }

  get peers() {
    return this.#channel.peers.byId
  }

  get stats() {
    return this.#channel.outbox.stats
  }

  // ---- subjects

  publish(subject, data, options) {
    const channel = this.#channel
    channel.mustBeOpen()
    const { outbox } = channel
    const name = subjects.of(subject)
    const route = options === undefined ? PLAIN : routeOf(takenBy(TAKES.PUBLISH, options))
    const { lane } = route
    if (outbox.queued(lane) + outbox.waiting > LIMIT.QUEUE_MAX) this.#relieve(subject, lane)
    const headers = CHANNELS.publish.hasSubscribers ? told(subject, data, options?.headers) : outgoing(options?.headers)
    outbox.publish(name, data, headers, route)
    if (outbox.queued(lane) + outbox.waiting <= LIMIT.QUEUE_HIGH) return true
    // What waits here may be for nobody: only C knows how much waits for a peer, and says 'drain' when that is gone.
    outbox.flush()
    if (outbox.queued(lane) <= LIMIT.QUEUE_HIGH) return true
    channel.awaitDrain(lane)
    return false
  }

  #relieve(subject, lane) {
    const { outbox } = this.#channel
    outbox.flush()
    if (outbox.queued(lane) > LIMIT.QUEUE_MAX) {
      const text = `${subject}: ${LIMIT.QUEUE_MAX >> 20} MiB wait for a peer`
      throw new MeshError('ERR_WARREN_OVERLOADED', text, { subject })
    }
  }

  subscribe(subject, given) {
    this.#mustTakeWork()
    const options = takenBy(TAKES.SUBSCRIBE, given)
    const name = patterns.of(subject)
    const queue = options.queue === undefined ? undefined : names.of(options.queue)
    Subscription.check(options)
    const tags = pickOf({ tags: options.tags })
    this.#channel.mustHaveRoom(subject)
    const entryId = this.#channel.nextId()
    const subscription = new Subscription(this.#channel, entryId, { subject, options })
    subscription.begin(this.#channel.announce(entryId, subscription, { kind: ENTRY.SUBSCRIPTION, name, queue, tags }))
    if (options.signal?.aborted) subscription.unsubscribe()
    return subscription
  }

  request(subject, data, options) {
    begin()
    let name
    try {
      name = subjects.of(subject)
    } catch (err) {
      return Promise.reject(err)
    }
    return this.#channel.calls.start({ name, method: NONE, isSubject: true, label: subject }, data, options)
  }

  async flush() {
    this.#channel.mustBeOpen()
    await this.#channel.flushed()
  }

  // ---- services

  async serve(name, handlers, options) {
    this.#mustTakeWork()
    const nameBytes = names.of(name)
    if (this.#services.has(name)) throw new MeshError('ERR_WARREN_BAD_NAME', `this node serves ${name} already`)
    const { tags: given, version, exclusive: alone } = takenBy(TAKES.SERVE, options)
    const exclusive = exclusiveOf(alone)
    const tags = pickOf({ tags: offeredTags({ tags: given, version }) })
    this.#channel.mustHaveRoom(name)
    if (exclusive !== undefined) return this.#serveAlone(name, handlers, { tags, exclusive })
    const entryId = this.#channel.nextId()
    const service = new Service(this.#channel, entryId, { name, handlers, onClose: () => this.#services.delete(name) })
    this.#services.set(name, service)
    try {
      await this.#channel.announce(entryId, service, { kind: ENTRY.SERVICE, name: nameBytes, tags })
    } catch (err) {
      await service.close()
      throw err
    }
    return service
  }

  async #serveAlone(name, handlers, options) {
    const service = new Exclusive(this.#channel, name, { handlers, ...options, onClose: () => this.#services.delete(name) })
    this.#services.set(name, service)
    try {
      await service.open()
    } catch (err) {
      await service.close()
      throw err
    }
    return service
  }

  async lease(name, options) {
    this.#mustTakeWork()
    return this.#channel.leases.ask(name, options)
  }

  client(name, defaults) {
    begin()
    return createClient(this.#channel.calls, name, defaults)
  }

  instances(name) {
    names.of(name)
    return this.#channel.peers.instances(name)
  }

  async available(name, options) {
    this.#channel.mustBeOpen()
    return this.#channel.held(this.#channel.peers.available(name, options))
  }

  monitor(peer) {
    this.#channel.mustBeOpen()
    return this.#channel.monitors.add(peer)
  }

  // ---- life

  ready() {
    this.#mustTakeWork()
    this.#channel.ready({ isMessage: false })
  }

  // The agent replaces this node: others call its services no more, and it still finishes what comes until they know.
  // channel.js calls it; close() follows.
  [RETIRE]() {
    if (this.#state !== 'open') return
    this.#beginClosing()
    for (const [name, service] of this.#services) {
      this.#channel.peers.withdrawOwn(name)
      service.retire?.()
    }
    for (const [entryId, endpoint] of this.#channel.endpoints) {
      if (endpoint.isChosen) this.#channel.retire(entryId)
    }
  }

  onClose(hook) {
    if (typeof hook !== 'function') throw badArgument(TypeError, 'the hook must be a function')
    MeshError.mustBeBelow(LIMIT.HOOKS, this.#hooks.length, 'hooks are there')
    const entry = { hook }
    this.#hooks.push(entry)
    return { [dispose]: () => void (this.#hooks = this.#hooks.filter((other) => other !== entry)) }
  }

  async close(options) {
    const { timeout = CLOSE_TIMEOUT_MS } = takenBy(TAKES.CLOSE, options)
    const limit = timeout === Infinity ? CLOSE_TIMEOUT_MAX_MS : Math.min(timeoutOf(timeout), CLOSE_TIMEOUT_MAX_MS)
    this.#closing ??= this.#channel.held(this.#leave(performance.now() + limit))
    return this.#closing
  }

  // Long-lived connections of the program can be told now, while there is time to end them well.
  #beginClosing() {
    this.#state = 'closing'
    this.#channel.tell('closing')
  }

  async #leave(deadline) {
    if (this.#state === 'open') this.#beginClosing()
    // First of all nobody chooses this node any more; what it has taken is finished, with the hooks still to run.
    const draining = [...this.#services.values()].map((service) => service.close())
    for (const endpoint of [...this.#channel.endpoints.values()]) endpoint.drain?.()
    await this.#runHooks(deadline)
    await within(deadline, Promise.all(draining))
    await within(deadline, this.#channel.leases.releaseAll())
    await this.#channel.close(Math.max(0, Math.ceil(deadline - performance.now())))
    this.#state = 'closed'
    this.#channel.tell('close')
  }

  // Each gets a signal that says when nobody waits for it any more.
  async #runHooks(deadline) {
    if (this.#hooks.length === 0) return
    const late = new AbortController()
    const why = new MeshError('ERR_WARREN_TIMEOUT', 'the time of mesh.close() is over')
    let timer
    const over = new Promise((resolve) => {
      const end = () => resolve(late.abort(why))
      timer = setTimeout(end, Math.max(0, deadline - performance.now()))
    })
    for (const { hook } of this.#hooks.reverse()) await this.#runHook(hook, late.signal, over)
    clearTimeout(timer)
  }

  // One that throws does not keep the mesh from leaving, and is not hidden either.
  async #runHook(hook, signal, over) {
    try {
      await Promise.race([hook(signal), over])
    } catch (err) {
      process.nextTick(() => {
        throw err
      })
    }
  }

  #mustTakeWork() {
    if (this.#state !== 'open') throw new MeshError('ERR_WARREN_CLOSED', `the mesh is ${this.#state}`)
  }

  [asyncDispose]() {
    return this.close()
  }
}

function routeOf(options) {
  return { lane: laneOf(options.lane), pick: pickOf(options) }
}

// Tells those who watch, who may change the headers.
function told(subject, data, given) {
  const event = { subject, data, headers: changeable(given) }
  CHANNELS.publish.publish(event)
  return sent(event.headers)
}

// Waits for the promise, but not longer than the deadline.
async function within(deadline, promise) {
  let timer
  const timeout = new Promise((resolve) => (timer = setTimeout(resolve, Math.max(0, deadline - performance.now()))))
  try {
    await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}

module.exports = { Mesh, RETIRE }
