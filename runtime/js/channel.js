// The one connection of this process to the mesh: the boxes it shares with C, what its numbers stand for, and who gets
// which event. Mesh is its face; listen.js uses it before there is a mesh.
'use strict'

const { performance } = require('perf_hooks')
const { native } = require('./native.js')
const { MeshError } = require('./errors.js')
const { Calls } = require('./calls.js')
const { Inbox } = require('./inbox.js')
const inherited = require('./inherited.js')
const { Leases } = require('./leases.js')
const { Monitors } = require('./monitor.js')
const { Name, NONE } = require('./names.js')
const { Outbox } = require('./outbox.js')
const { Peer, Peers } = require('./peers.js')
const { CODE, COMMAND, EVENT, LANE, LIMIT, PEER_SELF, WORD } = require('./contract.js')

// A question to the agent, or to C, that is answered by number.
class Pending {
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

class Channel {
  static current = null // open, or closed for ever

  // Throws ERR_WARREN_NO_AGENT.
  static open(options) {
    if (Channel.current !== null) return Channel.current
    inherited.reset() // of what was rehearsed (boot.js)
    const channel = Channel.current = new Channel(options, native())
    process.on('exit', () => {
      channel.outbox.isExiting = true
      channel.outbox.flush()
    })
    return channel
  }

  #native
  #inbox
  #holds = 0
  #lastId = 0
  #full = new Set() // lanes with a publisher that waits
  #joined = null
  #flushed = null
  #closed = new Pending()
  #announced = new Map() // entry id -> Pending
  #listening = new Map() // request id -> Pending
  #state
  batchTime = 0 // when this batch of events came, for deadlines
  mesh = null // gets the events that are for users
  endpoints = new Map() // entry id -> Service or Subscription
  running = [] // serve slot -> Context or Msg that may be aborted
  standing = new Set() // names of services that this node serves when it is its turn (exclusive.js)
  isLost = false // the agent is gone
  requests = 0 // that came so far
  isClosed = false

  // `native` is the C half (runtime/binding.h), or what stands in for it (rehearsal.js).
  constructor({ agentPath, name, maxMessage = LIMIT.MESSAGE_LEN_DEFAULT } = {}, native) {
    this.#native = native
    let opened
    try {
      opened = this.#native.open({ agentPath, name, maxMessage }, (len) => this.#receive(len))
    } catch (cause) {
      if (cause.code === 'EINVAL') throw new RangeError('WARREN_TAGS must be KEY=VALUE pairs with commas between them')
      const text = cause.code === 'ETIMEDOUT'
        ? 'the agent is there and does not answer: it is stopped or stuck'
        : `no agent answers (${cause.message}): is one running? \`warren run\` starts one`
      throw new MeshError('ERR_WARREN_NO_AGENT', text, { cause })
    }
    this.maxMessage = maxMessage
    this.#state = new Uint32Array(opened.state)
    this.#inbox = new Inbox(opened.inbox)
    const onOwnShape = (body) => this.#inbox.addShape(PEER_SELF, body)
    this.outbox = new Outbox(this.#native, opened, { maxMessage, onOwnShape })
    this.peers = new Peers({ ...opened, pid: process.pid }, (event, ...args) => this.tell(event, ...args))
    this.calls = new Calls(this)
    this.monitors = new Monitors(this)
    this.leases = new Leases(this, (id) => this.#native.isLeaseValid(id))
  }

  // ---- life

  // While somebody holds it, the process stays alive.
  hold() {
    if (this.#holds++ === 0) this.#native.ref(true)
  }

  release() {
    if (--this.#holds === 0) this.#native.ref(false)
  }

  // For a promise of the user's.
  async held(promise) {
    this.hold()
    try {
      return await promise
    } finally {
      this.release()
    }
  }

  // A publisher was told to wait: 'drain' will come.
  awaitDrain(lane) {
    if (this.#full.has(lane)) return
    this.#full.add(lane)
    this.hold()
  }

  #drained({ lane }) {
    if (this.#full.delete(lane)) this.release()
    this.tell('drain', lane === LANE.BULK ? 'bulk' : 'normal')
  }

  #gap({ peer, arg: count, bool: isFrom }) {
    this.tell('gap', { peer: this.peers.get(peer), direction: isFrom ? 'in' : 'out', count })
  }

  // Resolves when nothing is unsent, or the mesh is closed.
  async flushed() {
    this.outbox.flush()
    if (this.outbox.unsent === 0) return undefined
    this.#flushed ??= new Pending()
    this.outbox.command(COMMAND.FLUSH)
    return this.held(this.#flushed.promise)
  }

  #flushedNow() {
    this.#flushed?.resolve()
    this.#flushed = null
  }

  join() {
    this.#joined = new Pending()
    this.outbox.command(COMMAND.JOIN)
    return this.held(this.#joined.promise)
  }

  close(timeout) {
    this.#native.close(timeout)
    return this.held(this.#closed.promise)
  }

  mustBeOpen() {
    if (this.isClosed) throw new MeshError('ERR_WARREN_CLOSED', 'the mesh is closed')
  }

  // ---- what is known to the agent by number

  nextId() {
    return ++this.#lastId
  }

  // Throws for the entry that would be one too many, before anything of it is made.
  mustHaveRoom(name) {
    if (this.endpoints.size < LIMIT.ENTRIES) return
    const text = `${name}: this node has ${LIMIT.ENTRIES} subscriptions and services, the most that one may have`
    throw new MeshError('ERR_WARREN_OVERLOADED', text, { subject: name })
  }

  // Settles when every peer knows of the entry.
  announce(entryId, endpoint, { kind, name, queue, tags }) {
    const pending = new Pending()
    this.#announced.set(entryId, pending)
    this.endpoints.set(entryId, endpoint)
    this.hold() // until withdraw
    const aux = tags === undefined ? queue : Name.join(queue ?? NONE, tags.name)
    this.outbox.named(COMMAND.ANNOUNCE, entryId, kind, name, aux, 0, tags?.extra)
    return pending.promise
  }

  withdraw(entryId) {
    if (!this.endpoints.delete(entryId)) return
    this.#settle(this.#announced, entryId, new MeshError('ERR_WARREN_CLOSED', 'withdrawn before every peer knew of it'))
    if (!this.isClosed) this.outbox.command(COMMAND.WITHDRAW, entryId)
    this.release()
  }

  // Nobody chooses the entry any more; calls and messages of those who have not heard that yet still come.
  retire(entryId) {
    if (!this.isClosed) this.outbox.command(COMMAND.RETIRE, entryId)
  }

  // What the agent asked this node to finish is finished, but for so many connections: it stops the process now.
  retired(connections) {
    this.outbox.command(COMMAND.RETIRED, 0, 0, connections)
    this.outbox.flush()
  }

  // Handlers that work on a call, or messages whose senders wait for an answer.
  get isBusy() {
    return this.running.some((work) => work !== undefined)
  }

  // Tells the agent, which may wait for it, at once: what follows may keep the loop busy.
  ready({ isMessage }) {
    this.outbox.command(COMMAND.READY, 0, 0, isMessage ? 1 : 0)
    this.outbox.flush()
  }

  // It would serve if another node did not: as good as to serve, for who waits until it can do its work.
  standsBy() {
    this.outbox.command(COMMAND.READY, 0, 0, 2)
  }

  // A listening socket that the agent shares: {status, fd, memory}, status 0 or -errno; memory: a descriptor or -1. Rejects with MeshError.
  listen({ address, port, backlog, isIpv6Only }) {
    const id = this.nextId()
    const pending = new Pending()
    this.#listening.set(id, pending)
    const extra = (backlog & 0x7fffffff) + (isIpv6Only ? 2 ** 31 : 0)
    this.outbox.named(COMMAND.LISTEN, id, port, Name.of(address), undefined, 0, extra)
    return this.held(pending.promise)
  }

  // C's number of a peer that must answer a call.
  handleOf(peerOrId, subject) {
    const peer = this.peers.find(peerOrId)
    if (peer === undefined) {
      const id = typeof peerOrId === 'string' ? peerOrId : peerOrId.id
      throw new MeshError('ERR_WARREN_PEER_LOST', `${subject}: there is no peer ${id}`, { subject })
    }
    return Peer.handleOf(peer)
  }

  // ---- events

  // A user's listener that throws is an uncaught exception as in any EventEmitter; the events behind it are still handled.
  tell(event, ...args) {
    try {
      this.mesh?.emit(event, ...args)
    } catch (err) {
      process.nextTick(rethrow, err)
    }
  }

  // Without a listener an 'error' would end the process; a mesh without its agent works on.
  tellError(err) {
    if (this.mesh !== null && this.mesh.listenerCount('error') > 0) this.tell('error', err)
    else process.emitWarning(err)
  }

  #receive(len) {
    const event = this.#inbox
    this.batchTime = performance.now()
    for (let at = 0; at < len; ) {
      at = event.seek(at)
      try {
        this.#handle(event)
      } catch (err) {
        if (err instanceof MeshError) this.tellError(err)
        else process.nextTick(rethrow, err)
      }
    }
  }

  #handle(event) {
    switch (event.kind) {
      case EVENT.MESSAGE: return this.#message(event)
      case EVENT.REQUEST: return this.#request(event)
      case EVENT.REPLY: return this.calls.reply(event)
      case EVENT.ERROR: return this.calls.fail(event)
      case EVENT.ABORT: return this.running[event.id]?.abort(event.arg)
      case EVENT.ITEM: return this.calls.item(event)
      case EVENT.GRANT: return this.running[event.id]?.grant?.(event.arg)
      case EVENT.INPUT: return this.running[event.id]?.item?.(event)
      case EVENT.TAKE: return this.calls.take(event)
      case EVENT.SHAPE: return this.#shape(event)
      case EVENT.PEER: return this.#peer(event)
      case EVENT.SERVICE: return this.peers.takeService(event)
      case EVENT.DOWN: return this.monitors.take(event)
      case EVENT.DRAIN: return this.#drained(event)
      case EVENT.GAP: return this.#gap(event)
      case EVENT.FLUSHED: return this.#flushedNow()
      case EVENT.JOINED: return this.#joined?.resolve()
      case EVENT.ANNOUNCED: return this.#settle(this.#announced, event.id)
      case EVENT.LISTENING: return this.#listened(event)
      case EVENT.LEASE: return this.leases.take(event)
      case EVENT.RETIRE: return require('./drain.js').drain(this, event.arg)
      case EVENT.CHECK: return this.#check(event)
      case EVENT.REFUSED: return this.#refused(event)
      case EVENT.LOST: return this.#agentLost()
      case EVENT.CLOSED: return this.#closedNow()
      case EVENT.COMMAND_FAILED: return this.#commandFailed(event)
      default: return undefined // of a newer C half
    }
  }

  #message(event) {
    const endpoint = this.endpoints.get(event.id)
    if (endpoint !== undefined) endpoint.message(event)
    else this.outbox.consumed(event.peer, event.arg, event.lane) // unsubscribed while it was under way
  }

  #request(event) {
    this.requests++
    const endpoint = this.endpoints.get(event.extra)
    if (endpoint !== undefined) endpoint.request(event)
    else this.outbox.refuse(event.id, CODE.NO_RESPONDERS)
  }

  #shape(event) {
    if (event.takeShape()) return
    throw new MeshError('ERR_WARREN_PROTOCOL', 'a peer sent a malformed shape', { peer: this.peers.get(event.peer) })
  }

  #peer(event) {
    if (!event.bool) {
      event.forgetPeer(event.peer)
      this.outbox.forgetPeer(event.peer)
    }
    this.peers.take(event)
  }

  #settle(map, id, err) {
    const pending = map.get(id)
    map.delete(id)
    if (err === undefined) pending?.resolve()
    else pending?.reject(err)
  }

  #listened(event) {
    const pending = this.#listening.get(event.id)
    this.#listening.delete(event.id)
    pending?.resolve({ status: event.arg | 0, fd: event.extra, memory: event.peer - 1 })
  }

  #check(event) {
    const [http, call] = event.name.split('\n')
    require('./health.js').check(this, { number: event.id, timeout: event.arg, http, call })
  }

  #refused(event) {
    this.#joined?.reject(new MeshError('ERR_WARREN_NO_AGENT', event.name))
  }

  // Links and messages go on; what only the agent can answer fails.
  #agentLost() {
    this.isLost = true
    const err = new MeshError('ERR_WARREN_AGENT_LOST', 'the agent of this host is gone')
    this.#joined?.reject(err)
    for (const map of [this.#announced, this.#listening]) {
      for (const id of [...map.keys()]) this.#settle(map, id, err)
    }
    this.leases.close(err)
    if (this.mesh !== null && !this.isClosed) this.tellError(err)
  }

  #closedNow() {
    this.isClosed = true
    this.#flushedNow()
    for (const endpoint of [...this.endpoints.values()]) endpoint.leave()
    this.calls.close()
    this.monitors.close()
    this.leases.close(new MeshError('ERR_WARREN_CLOSED', 'the mesh is closed'))
    this.peers.close()
    this.#closed.resolve()
  }

  // Nothing will ever come for it.
  #announceFailed(entryId, err) {
    this.#settle(this.#announced, entryId, err)
    this.endpoints.get(entryId)?.leave()
  }

  #commandFailed(event) {
    const err = MeshError.ofCommand(event.arg | 0, event.name)
    switch (event.extra) {
      case COMMAND.JOIN: return this.#joined?.reject(err)
      case COMMAND.CALL: return this.calls.refuse(event.id, err)
      case COMMAND.ITEM: return this.running[event.id]?.refuse?.(err)
      case COMMAND.INPUT: return this.calls.refuseInput(event.id, err)
      case COMMAND.ANNOUNCE: return this.#announceFailed(event.id, behind(err))
      case COMMAND.LISTEN: return this.#settle(this.#listening, event.id, behind(err))
      case COMMAND.LEASE: return this.leases.refuse(event.id, behind(err))
      default: return this.tellError(err)
    }
  }
}

// More waits for the agent than may.
function behind(err) {
  if (err.code !== 'ERR_WARREN_OVERLOADED') return err
  return new MeshError(err.code, 'the agent of this host does not keep up with what this node asks of it: await what comes back before you ask for more')
}

function rethrow(err) {
  throw err
}

module.exports = { Channel }
