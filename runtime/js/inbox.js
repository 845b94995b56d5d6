// The box of events from C (runtime/binding.h): a cursor that stands on one entry at a time.
'use strict'

const { Decoder } = require('./codec/decode.js')
const { PeerShapes } = require('./codec/shapes.js')
const { Strings } = require('./codec/strings.js')
const { MeshError } = require('./errors.js')
const { HEAD_LEN, FLAG } = require('./contract.js')

const NO_HEADERS = Object.freeze({})

class Inbox {
  #bytes
  #words
  #strings = new Strings()
  #decoder = new Decoder(this.#strings)
  #shapes = new Map() // by peer
  #nameAt = 0
  #nameLen = 0
  #flags = 0
  kind = 0
  id = 0
  peer = 0
  arg = 0
  extra = 0
  payloadLen = 0
  headers = NO_HEADERS // of the value read last

  constructor(memory) {
    this.#bytes = Buffer.from(memory)
    this.#words = new Uint32Array(memory)
    this.#decoder.source(this.#bytes)
  }

  // Stands on the entry at `at`; returns where the next one begins.
  seek(at) {
    const words = this.#words
    const word = at >> 2
    this.kind = words[word + 1] & 0xff
    this.#flags = words[word + 1] >>> 8
    this.id = words[word + 2]
    this.peer = words[word + 3]
    this.arg = words[word + 4]
    this.#nameAt = at + HEAD_LEN
    this.#nameLen = words[word + 5] & 0xffff
    this.payloadLen = words[word + 6]
    this.extra = words[word + 7]
    return at + words[word]
  }

  // is_up, is_maybe
  get bool() {
    return (this.#flags & FLAG.BOOL) !== 0
  }

  get lane() {
    return this.#flags & FLAG.BULK
  }

  get name() {
    return this.#strings.get(this.#bytes, this.#nameAt, this.#nameLen)
  }

  // The payload as text, for the events whose payload is no message.
  get text() {
    const at = this.#nameAt + this.#nameLen
    return this.#bytes.toString('utf8', at, at + this.payloadLen)
  }

  // The payload of a message, and its headers. Throws ERR_WARREN_PROTOCOL.
  value() {
    let at = this.#nameAt + this.#nameLen
    const end = at + this.payloadLen
    const shapes = this.#shapes.get(this.peer)
    this.headers = NO_HEADERS
    if ((this.#flags & FLAG.HEADERS) !== 0) {
      this.headers = checkedHeaders(this.#decoder.decodeFirst(at, end, shapes))
      at = this.#decoder.position
    }
    return this.#decoder.decode(at, end, shapes)
  }

  // A SHAPE event; false when it is malformed.
  takeShape() {
    const at = this.#nameAt + this.#nameLen
    return this.addShape(this.peer, Buffer.from(this.#bytes.subarray(at, at + this.payloadLen)))
  }

  addShape(peer, body) {
    let shapes = this.#shapes.get(peer)
    if (shapes === undefined) this.#shapes.set(peer, (shapes = new PeerShapes()))
    return shapes.add(body)
  }

  forgetPeer(peer) {
    this.#shapes.delete(peer)
  }
}

function checkedHeaders(headers) {
  const isMap = typeof headers === 'object' && headers !== null && Object.getPrototypeOf(headers) === Object.prototype
  if (!isMap || !Object.values(headers).every((value) => typeof value === 'string')) {
    throw new MeshError('ERR_WARREN_PROTOCOL', 'malformed message: headers that are no map of texts')
  }
  return headers
}

module.exports = { Inbox, NO_HEADERS }
