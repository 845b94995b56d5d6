// Monitors: each tells once that a peer is gone, and why. C watches a peer once, for all monitors of it.
'use strict'

const { constants } = require('os')
const { dispose } = require('./dispose.js')
const { MeshError } = require('./errors.js')
const { Peer } = require('./peers.js')
const { COMMAND, LIMIT } = require('./contract.js')

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

class Monitor {
  #resolve
  #reject
  #cancel

  constructor(peer, cancel) {
    this.peer = peer
    this.#cancel = cancel
    this.down = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.down.catch(() => {}) // who has left may have lost interest: no unhandled rejection
  }

  static fire(monitor, down) {
    monitor.#resolve(down)
  }

  static fail(monitor, err) {
    monitor.#reject(err)
  }

  cancel() {
    this.#cancel(this)
  }

  [dispose]() {
    this.cancel()
  }
}

class Monitors {
  #channel
  #watched = new Map() // handle -> Set of monitors
  #count = 0

  constructor(channel) {
    this.#channel = channel
  }

  add(peerOrId) {
    const peer = this.#channel.peers.find(peerOrId)
    if (peer === undefined) return goneBefore(peerOrId)
    MeshError.mustBeBelow(LIMIT.WAITS, this.#count, 'monitors are open')
    const handle = Peer.handleOf(peer)
    const monitor = new Monitor(peer, (cancelled) => this.#remove(handle, cancelled))
    let watching = this.#watched.get(handle)
    if (watching === undefined) {
      this.#watched.set(handle, (watching = new Set()))
      this.#channel.hold()
      this.#channel.outbox.command(COMMAND.MONITOR, 0, handle)
    }
    watching.add(monitor)
    this.#count++
    return monitor
  }

  #remove(handle, monitor) {
    const watching = this.#watched.get(handle)
    if (!watching?.delete(monitor)) return
    this.#count--
    if (watching.size > 0) return
    this.#watched.delete(handle)
    this.#channel.outbox.command(COMMAND.DEMONITOR, 0, handle)
    this.#channel.release()
  }

  // A DOWN event.
  take(event) {
    const watching = this.#watched.get(event.peer)
    if (watching === undefined) return
    this.#watched.delete(event.peer)
    this.#count -= watching.size
    this.#channel.release()
    const signal = SIGNAL_NAMES.get(event.extra) ?? null
    const exitCode = event.arg | 0
    const code = signal !== null || exitCode < 0 ? null : exitCode
    for (const monitor of watching) Monitor.fire(monitor, { peer: monitor.peer, reason: event.name, code, signal })
  }

  // The mesh is closed: nobody tells it of ends any more.
  close() {
    for (const watching of this.#watched.values()) {
      this.#channel.release()
      for (const monitor of watching) {
        Monitor.fail(monitor, new MeshError('ERR_WARREN_CLOSED', 'the mesh is closed', { peer: monitor.peer }))
      }
    }
    this.#watched.clear()
  }
}

function goneBefore(peerOrId) {
  const peer = typeof peerOrId === 'string' ? Peer.unknown(peerOrId) : peerOrId
  const monitor = new Monitor(peer, () => {})
  Monitor.fire(monitor, { peer, reason: 'noproc', code: null, signal: null })
  return monitor
}

module.exports = { Monitors }
