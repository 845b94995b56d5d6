// A server on a socket that it shares with the other instances of its service: how many connections it has, which all of
// them see, and how it lets go of them without a client noticing (`warren reload`, or when it has more than its share).
'use strict'

const net = require('net')
const { isHttp, watchResponses } = require('./http_end.js')

const kShare = Symbol('warren.share')

// Words of runtime/balance.h.
const COUNT = 0
const HEAD_LEN = 4
const PLACE_LEN = 4
const LOAD = 1 // in a place: 0, or 1 + connections
const CLOSED = 0

const HEARD_MS = 1000 // what is sent has reached the client by then
const MOMENT_MS = 100 // is waited for a good one

const RESPONSES_PER_LOOK = 32 // at how many connections the others have
const LOOK_MS = 100 // not more often: what was decided takes effect meanwhile
const TOLERANCE = 1.1 // so much more than the others on average, and one more, is not too much

let isShut = false
let isWatching = false

class Share {
  static all = new Set()

  static of(server) {
    return server[kShare]
  }

  // `server` listens on `fd`; `memory` is a descriptor, or -1.
  static begin(server, fd, memory) {
    if (server._handle === null) return // it could not
    new Share(server, fd, memory)
  }

  // Nothing is accepted any more, the sockets stay open: the other instances have what comes.
  static shutAll() {
    isShut = true
    for (const share of Share.all) share.#shut()
  }

  static get connections() {
    let sum = 0
    for (const share of Share.all) sum += share.#server._connections
    return sum
  }

  // Those that wait for a request which may never come.
  static endIdle() {
    for (const { server } of Share.all) server.closeIdleConnections?.()
  }

  #server
  #fd
  #loads = null // Uint32Array
  #own = 0 // where in it this server's number is
  #sessions = new Map() // of HTTP/2: what is there of each
  #responses = 0
  #surplus = 0 // connections to end after their next response
  #lookedAt = 0

  constructor(server, fd, memory) {
    this.#server = server
    this.#fd = fd
    const place = accepting().share(fd, memory)
    if (place !== undefined) {
      this.#loads = new Uint32Array(place.memory)
      this.#own = HEAD_LEN + place.index * PLACE_LEN + LOAD
    }
    server[kShare] = this
    Share.all.add(this)
    watchConnections()
    if (isHttp(server)) watchResponses(Share)
    server.on('session', (session) => this.#take(session))
    if (isShut) this.#shut()
  }

  get server() {
    return this.#server
  }

  // Before the socket is closed.
  leave() {
    if (!Share.all.delete(this)) return
    this.#server[kShare] = undefined
    accepting().leave(this.#fd)
  }

  // One more or one less.
  count() {
    if (this.#loads !== null && !isShut) this.#loads[this.#own] = 1 + this.#server._connections
  }

  // Whether the connection of a response that is about to be sent should end with it.
  get isToEnd() {
    if (isShut) return true
    if (this.#loads === null) return false
    if (++this.#responses % RESPONSES_PER_LOOK === 0) this.#look()
    return this.#surplus > 0 && this.#surplus-- > 0
  }

  // An instance that came later has none yet: those that have more than the others give some away.
  #look() {
    const now = Date.now()
    if (now - this.#lookedAt < LOOK_MS) return
    this.#lookedAt = now
    const loads = this.#loads
    const end = HEAD_LEN + loads[COUNT] * PLACE_LEN
    let sum = 0
    let servers = 0
    for (let at = HEAD_LEN + LOAD; at < end; at += PLACE_LEN) {
      if (loads[at] === CLOSED) continue
      sum += loads[at] - 1
      servers++
    }
    const mean = sum / servers
    const own = this.#server._connections
    this.#surplus = own > mean * TOLERANCE + 1 ? Math.floor(own - mean) : 0
  }

  #shut() {
    accepting().shut(this.#fd)
    for (const end of this.#sessions.values()) end.begin()
  }

  #take(session) {
    const end = new SessionEnd(session)
    this.#sessions.set(session, end)
    session.once('close', () => this.#sessions.delete(session))
    if (isShut) end.begin()
  }
}

// RFC 9113, 6.8: first "no new streams", which a client may hear when it has just opened one; when it has heard it, the rest. That
// it has heard it says the answer to a ping; but a client of Node.js answers nothing any more after a GOAWAY, nor does it
// end the connection when its last stream is over. So it is given some time instead, and the connection is ended here.
//
// Many clients refuse themselves what they are about to send when they read it, and that is most right behind an answer, which lets
// them send the next request. So it is said ahead of answers: when requests have just come, none is answered yet, and the client
// has no answer of before that it may still have to read, for it waits for as many as it ever did at once.
class SessionEnd {
  #session
  #open = 0 // streams
  #peak = 0 // of them
  #isWanted = false
  #isSaid = false
  #isTold = false

  constructor(session) {
    this.#session = session
    // Before the program answers.
    session.prependListener('stream', (stream) => {
      this.#peak = Math.max(this.#peak, ++this.#open)
      if (this.#isWanted && this.#isGoodMoment) this.#say()
      stream.once('close', () => {
        this.#open--
        this.#finish()
      })
    })
  }

  get #isGoodMoment() {
    const isAllAsked = this.#open === 1 || this.#open === this.#peak
    return isAllAsked && this.#session.state.outboundQueueSize === 0
  }

  begin() {
    if (this.#session.destroyed) return
    this.#isWanted = true
    setTimeout(() => this.#say(), MOMENT_MS).unref()
  }

  #say() {
    const session = this.#session
    if (this.#isSaid || session.destroyed) return
    this.#isSaid = true
    session.goaway(0, 2 ** 31 - 1)
    const told = () => {
      this.#isTold = true
      this.#finish()
    }
    session.ping(told)
    setTimeout(told, HEARD_MS).unref()
  }

  #finish() {
    const session = this.#session
    if (!this.#isTold || this.#open > 0 || session.destroyed) return
    session.close()
    setImmediate(() => session.destroy())
  }
}

// Node calls this whenever a connection of a server has ended.
function watchConnections() {
  if (isWatching) return
  isWatching = true
  const { prototype } = net.Server
  const { _emitCloseIfDrained: emitCloseIfDrained } = prototype
  prototype._emitCloseIfDrained = function () {
    this[kShare]?.count()
    return emitCloseIfDrained.call(this)
  }
}

// runtime/accept_binding.c
function accepting() {
  return process._linkedBinding('warren_accept')
}

module.exports = { Share }
