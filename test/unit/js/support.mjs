// What the codec's tests share: one sender, one receiver, and random numbers that can be had again.
import { createRequire } from 'node:module'

export const require = createRequire(new URL('../../../runtime/js/', import.meta.url))
export const { Encoder } = require('./codec/encode.js')
export const { Decoder } = require('./codec/decode.js')
export const { OwnShapes, PeerShapes } = require('./codec/shapes.js')
export const { MeshError } = require('./errors.js')

const MEMORY_LEN = 4 << 20

// A sender and the receiver of its messages. Shapes reach the receiver before the message that uses them.
export class Wire {
  shapes = new OwnShapes()
  peerShapes = new PeerShapes()
  memory = Buffer.alloc(MEMORY_LEN)
  encoder = new Encoder(this.shapes)
  decoder = new Decoder()

  constructor() {
    this.encoder.target(this.memory)
    this.decoder.source(this.memory)
  }

  encode(value, limit = MEMORY_LEN) {
    const end = this.encoder.encode(value, 0, limit)
    for (const body of this.shapes.takeFresh()) {
      if (!this.peerShapes.add(body)) throw new Error('the receiver refused a shape')
    }
    return Buffer.from(this.memory.subarray(0, end))
  }

  decode(bytes) {
    // What follows a message in memory is another message: here, bytes that would be noticed.
    this.memory.set(bytes, 0)
    this.memory.fill(0xc1, bytes.length, bytes.length + 64)
    return this.decoder.decode(0, bytes.length, this.peerShapes)
  }

  trip(value) {
    return this.decode(this.encode(value))
  }
}

export const trip = (value) => new Wire().trip(value)

export function hex(text) {
  return Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex')
}

// mulberry32: the same numbers for the same seed, everywhere.
export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  below(n) {
    return Math.floor(this.next() * n)
  }

  pick(list) {
    return list[this.below(list.length)]
  }
}
