// The box of commands to C (runtime/binding.h): entries are written in place, and carried out together.
'use strict'

const { Encoder } = require('./codec/encode.js')
const { OwnShapes } = require('./codec/shapes.js')
const { bareError, isError } = require('./codec/thrown.js')
const { MeshError } = require('./errors.js')
const { Name, NONE } = require('./names.js')
const { HEAD_LEN, WORD, FLAG, LANE, PEER_SELF, COMMAND, CODE } = require('./contract.js')

// Commands are carried out before more than this waits: the box stays in the processor's cache.
const FLUSH_LEN = 64 << 10
// Room behind the largest message, for its head and names and for the shapes that must stand before it.
const SLACK_LEN = 160 << 10
// Credit is given back to a peer in pieces of this size, a small part of its window.
const CREDIT_STEP_LEN = 32 << 10

class Outbox {
  #native
  #bytes
  #words
  #state
  #maxLen
  #endMax // an entry may begin before it
  #shapes = new OwnShapes()
  #encoder = new Encoder(this.#shapes)
  #isEncoding = false
  #onOwnShape
  // By lane: peer -> {bytes} taken and not yet told.
  #credits = { [LANE.NORMAL]: new Map(), [LANE.BULK]: new Map() }
  isExiting = false // the process ends: nothing may wait

  // `onOwnShape` gets each shape that is sent: messages to this node itself use them too.
  constructor(native, opened, { maxMessage, onOwnShape }) {
    this.#native = native
    this.#bytes = Buffer.from(opened.outbox)
    this.#words = new Uint32Array(opened.outbox)
    this.#state = new Uint32Array(opened.state)
    this.#maxLen = maxMessage
    this.#endMax = this.#bytes.length - maxMessage - SLACK_LEN
    this.#onOwnShape = onOwnShape
    this.#encoder.target(this.#bytes)
  }

  flush() {
    this.#native.flush()
  }

  // Bytes that wait in a lane for the fullest peer, as far as C knows.
  queued(lane) {
    return this.#state[lane === LANE.BULK ? WORD.QUEUED_BULK : WORD.QUEUED]
  }

  // Bytes that are not yet handed to the operating system, for all peers.
  get unsent() {
    return this.#native.stats().unsentBytes
  }

  // What is counted of messages; empty when the mesh is closed.
  get stats() {
    const { sentMessages, receivedMessages, lostPublications, lateReplies, unknownTargets } = this.#native.stats()
    return { sentMessages, receivedMessages, lostPublications, lateReplies, unknownTargets }
  }

  // Bytes of commands that wait here.
  get waiting() {
    return this.#state[WORD.OUTBOX_LEN]
  }

  // ---- commands with a value

  // `route`: {lane, pick}, the pick of pick.js or undefined
  publish(subject, data, headers, { lane, pick }) {
    const at = this.#open(subject, pick === undefined ? NONE : pick.name)
    const flags = this.#payload(data, headers) | lane
    this.#close(at, COMMAND.PUBLISH | (flags << 8), 0, 0, 0, pick === undefined ? 0 : pick.extra)
  }

  // `target`: {name, method, isSubject}; `route`: {peer, timeout, flags, pick}, flags: the lane, BOOL: the input is a stream
  call(slot, target, route, input, headers) {
    const { pick } = route
    const at = this.#open(target.name, pick === undefined ? target.method : Name.join(target.method, pick.name))
    const flags = this.#payload(input, headers) | route.flags
    const extra = (target.isSubject ? 1 : 0) | (pick === undefined ? 0 : pick.extra)
    this.#close(at, COMMAND.CALL | (flags << 8), slot, route.peer, route.timeout, extra)
  }

  reply(slot, value) {
    this.#answer(slot, CODE.REPLY, value)
  }

  // An item of a stream: `kind` is ITEM or INPUT. Returns the bytes of its payload.
  item(kind, slot, value) {
    const at = this.#open(NONE, NONE)
    this.#payload(value, undefined)
    const len = this.#pos - this.#payloadAt
    this.#close(at, kind, slot, 0, 0, 0)
    return len
  }

  // Whatever was thrown. An Error that cannot travel whole (many hold sockets and functions) goes without what hinders it.
  fail(slot, thrown) {
    try {
      this.#answer(slot, CODE.APPLICATION, thrown)
    } catch (err) {
      this.#answer(slot, CODE.APPLICATION, bareError(isError(thrown) ? thrown : err))
    }
  }

  // An outcome of the mesh's own, without a value.
  refuse(slot, code) {
    this.command(COMMAND.ANSWER, slot, 0, code)
  }

  #answer(slot, code, value) {
    const at = this.#open(NONE, NONE)
    this.#payload(value, undefined)
    this.#close(at, COMMAND.ANSWER, slot, 0, code, 0)
  }

  // ---- commands without

  command(kind, id = 0, peer = 0, arg = 0, extra = 0) {
    this.named(kind, id, arg, NONE, NONE, peer, extra)
  }

  named(kind, id, arg, name, aux = NONE, peer = 0, extra = 0) {
    const at = this.#open(name, aux)
    this.#close(at, kind, id, peer, arg, extra)
  }

  // The application took `cost` bytes of what `peer` published.
  consumed(peer, cost, lane) {
    if (cost === 0) return
    let credit = this.#credits[lane].get(peer)
    if (credit === undefined) this.#credits[lane].set(peer, (credit = { bytes: 0 }))
    credit.bytes += cost
    // Messages to ourselves are held in memory until this is told, and count as queued.
    if (credit.bytes < CREDIT_STEP_LEN && peer !== PEER_SELF) return
    this.command(COMMAND.CONSUMED | (lane << 8), 0, peer, credit.bytes)
    credit.bytes = 0
  }

  forgetPeer(peer) {
    for (const credits of Object.values(this.#credits)) credits.delete(peer)
  }

  // ---- entries

  #pos = 0
  #payloadAt = 0

  // Makes room, and writes the names of an entry that begins at the returned place.
  #open(name, aux) {
    if (this.#isEncoding) throw new MeshError('ERR_WARREN_NOT_CLONEABLE', 'a getter sends while its object is being sent')
    let at = this.#state[WORD.OUTBOX_LEN]
    if (at >= FLUSH_LEN || at > this.#endMax) {
      this.flush()
      at = this.#state[WORD.OUTBOX_LEN]
    }
    const bytes = this.#bytes
    const { bytes: nameBytes, len: nameLen } = name
    const { bytes: auxBytes, len: auxLen } = aux
    let pos = at + HEAD_LEN
    for (let i = 0; i < nameLen; i++) bytes[pos++] = nameBytes[i]
    for (let i = 0; i < auxLen; i++) bytes[pos++] = auxBytes[i]
    this.#words[(at >> 2) + 5] = nameLen | (auxLen << 16)
    this.#pos = this.#payloadAt = pos
    return at
  }

  #payload(value, headers) {
    const end = this.#payloadAt + this.#maxLen
    this.#isEncoding = true
    try {
      if (headers === undefined) {
        this.#pos = this.#encoder.encode(value, this.#payloadAt, end)
        return 0
      }
      const at = this.#encoder.encodeTexts(headers, this.#payloadAt, end)
      this.#pos = this.#encoder.encode(value, at, end)
      return FLAG.HEADERS
    } finally {
      this.#isEncoding = false
    }
  }

  #close(at, kind, id, peer, arg, extra) {
    const words = this.#words
    const word = at >> 2
    const len = (this.#pos - at + 7) & ~7
    words[word] = len
    words[word + 1] = kind
    words[word + 2] = id
    words[word + 3] = peer
    words[word + 4] = arg
    words[word + 6] = this.#pos - this.#payloadAt
    words[word + 7] = extra
    const before = this.#shapes.hasFresh ? this.#putShapes(at, len) : 0
    this.#state[WORD.OUTBOX_LEN] = at + before + len
    if (this.isExiting) this.flush()
  }

  // Shapes that a message is the first to use stand before it: the message, `len` bytes at `at`, moves.
  #putShapes(at, len) {
    const bodies = this.#shapes.takeFresh()
    let total = 0
    for (const body of bodies) total += entryLen(body)
    this.#bytes.copyWithin(at + total, at, at + len)
    let pos = at
    for (const body of bodies) {
      const word = pos >> 2
      this.#words.fill(0, word, word + HEAD_LEN / 4)
      this.#words[word] = entryLen(body)
      this.#words[word + 1] = COMMAND.SHAPE
      this.#words[word + 6] = body.length
      this.#bytes.set(body, pos + HEAD_LEN)
      pos += entryLen(body)
      this.#onOwnShape(body)
    }
    return total
  }
}

function entryLen(body) {
  return (HEAD_LEN + body.length + 7) & ~7
}

module.exports = { Outbox }
