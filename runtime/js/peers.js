// The other members of the mesh, and who of them serves what.
'use strict'

const { MeshError, badArgument } = require('./errors.js')
const { LIMIT, PEER_SELF } = require('./contract.js')
const { names } = require('./names.js')
const { TAKES, signalOf, takenBy, timeoutOf } = require('./options.js')
const { CHANNELS } = require('./tracing.js')

const TIMER_MAX_MS = 0x7fffffff // of setTimeout

class Peer {
  #handle

  constructor(handle, { id, name, service, instance, host, pid }) {
    this.#handle = handle
    this.id = id
    this.name = name
    this.service = service
    this.instance = instance
    this.host = host
    this.pid = pid
    this.status = 'up'
  }

  // Who was gone before this process knew of it.
  static unknown(id) {
    const peer = new Peer(undefined, { id, name: '', service: '', instance: 0, host: '', pid: 0 })
    peer.status = 'down'
    return peer
  }

  // C's number for it; undefined when `value` is no peer.
  static handleOf(value) {
    return typeof value === 'object' && value !== null && #handle in value ? value.#handle : undefined
  }
}

// Somebody who waits for `count` instances of a service.
class Wait {
  constructor(name, count) {
    this.name = name
    this.count = count
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

class Peers {
  #byHandle = new Map()
  #servers = new Map() // name -> Set of peers
  #waits = new Set()
  #emit
  byId = new Map() // every other member: what users see

  constructor(self, emit) {
    this.self = new Peer(PEER_SELF, self)
    this.#byHandle.set(PEER_SELF, this.self)
    this.#emit = emit
  }

  // undefined for PEER_ANY.
  get(handle) {
    return this.#byHandle.get(handle)
  }

  // The one that a user means by a Peer or an id; undefined when it is not there (any more).
  find(peerOrId) {
    if (typeof peerOrId === 'string') return peerOrId === this.self.id ? this.self : this.byId.get(peerOrId)
    const peer = this.#byHandle.get(Peer.handleOf(peerOrId))
    if (peer === undefined && !(peerOrId instanceof Peer)) throw badArgument(TypeError, 'a peer must be a Peer or its id')
    return peer
  }

  // A PEER event.
  take(event) {
    if (event.bool) {
      const [id, service, host] = event.text.split('\0')
      const peer = new Peer(event.peer, { id, name: event.name, service, instance: event.extra, host, pid: event.arg })
      this.#byHandle.set(event.peer, peer)
      this.byId.set(id, peer)
      if (CHANNELS.peer.hasSubscribers) CHANNELS.peer.publish({ peer })
      this.#emit('peer:up', peer)
      return
    }
    const peer = this.#byHandle.get(event.peer)
    if (peer === undefined) return
    peer.status = 'down'
    this.#byHandle.delete(event.peer)
    if (this.byId.get(peer.id) === peer) this.byId.delete(peer.id) // else it is back already, as another peer
    for (const name of this.#servers.keys()) this.#serves(name, peer, false)
    if (CHANNELS.peer.hasSubscribers) CHANNELS.peer.publish({ peer })
    this.#emit('peer:down', peer)
  }

  // A SERVICE event.
  takeService(event) {
    const peer = this.#byHandle.get(event.peer)
    if (peer !== undefined) this.#serves(event.name, peer, event.bool)
  }

  #serves(name, peer, isUp) {
    const servers = this.#servers.get(name) ?? new Set()
    if (servers.has(peer) === isUp) return
    if (isUp) {
      this.#servers.set(name, servers.add(peer))
      for (const wait of this.#waits) this.#tryEnd(wait)
    } else {
      servers.delete(peer)
      if (servers.size === 0) this.#servers.delete(name)
    }
    this.#emit(isUp ? 'service:up' : 'service:down', name, peer)
  }

  // This node stops serving `name`: known here at once, C's event finds it done.
  withdrawOwn(name) {
    this.#serves(name, this.self, false)
  }

  instances(name) {
    return [...(this.#servers.get(name) ?? [])]
  }

  #tryEnd(wait) {
    const servers = this.#servers.get(wait.name)
    if ((servers?.size ?? 0) < wait.count) return
    this.#waits.delete(wait)
    wait.resolve([...servers])
  }

  async available(name, options) {
    names.of(name)
    const { count = 1, timeout, signal: given } = takenBy(TAKES.AVAILABLE, options)
    if (!Number.isInteger(count) || count < 1) throw badArgument(RangeError, 'count must be a whole number from 1 up')
    const limit = timeout === undefined ? 0 : timeoutOf(timeout)
    const signal = signalOf(given)
    MeshError.mustBeBelow(LIMIT.WAITS, this.#waits.size, 'calls of available() wait', name)
    const wait = new Wait(name, count)
    const fail = (code, text, cause) => wait.reject(new MeshError(code, `${name}: ${text}`, { subject: name, cause }))
    const onAbort = () => fail('ERR_WARREN_CANCELLED', 'no longer waited for', signal.reason)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    const onTimeout = () => fail('ERR_WARREN_TIMEOUT', `${this.instances(name).length} of ${count} instances are there`)
    const timer = limit > 0 ? setTimeout(onTimeout, Math.min(limit, TIMER_MAX_MS)) : undefined
    this.#waits.add(wait)
    this.#tryEnd(wait)
    try {
      return await wait.promise
    } finally {
      this.#waits.delete(wait)
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  // The mesh is closed: nobody will come any more.
  close() {
    for (const { name, reject } of this.#waits) {
      reject(new MeshError('ERR_WARREN_CLOSED', `${name}: the mesh is closed`, { subject: name }))
    }
  }
}

module.exports = { Peer, Peers }
