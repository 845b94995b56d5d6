// What a good programmer writes by hand: unix sockets of node:net and msgpackr, with its records (the keys of a shape
// are sent once per link), one write per turn of the loop.
// A frame: length (4 bytes, of what follows), kind (1), number of the call (4), then the packed message, or, when the
// message is bytes anyway, the bytes themselves (msgpackr needs 0.7 us to pack 1 KiB of them).
import { once } from 'node:events'
import { createRequire } from 'node:module'
import net from 'node:net'

const { Packr } = createRequire(new URL('../../../build/bench/', import.meta.url))('msgpackr')

const HEAD_LEN = 9
export const KIND = { message: 0, call: 1, answer: 2, broadcast: 3 }
const RAW = 4 // added to the kind
const FLUSH_LEN = 64 * 1024
const OUT_LEN = 2 * FLUSH_LEN + 4096 // room for one more of the largest message

// `sequential`: a shape's keys go out the first time only, which a stream that keeps its order can rely on.
export const newPackr = () => new Packr({ useRecords: true, sequential: true })

/** Frames on a socket. `onFrame(kind, id, message)`; a broadcast was packed once for all links, with a Packr of its own. */
export class Link {
  #socket
  #packr = newPackr()
  #unpackers
  #out = Buffer.allocUnsafeSlow(OUT_LEN)
  #spare = []
  #outLen = 0
  #isFine = true

  constructor(socket) {
    this.#socket = socket.on('drain', () => (this.#isFine = true))
    const own = newPackr()
    this.#unpackers = [own, own, own, newPackr()]
  }

  send(kind, id, message) {
    if (message instanceof Uint8Array) return this.sendPacked(kind + RAW, id, message)
    return this.sendPacked(kind, id, this.#packr.pack(message))
  }

  /** False when the socket has more than its high-water mark to write. */
  sendPacked(kind, id, packed) {
    const length = HEAD_LEN + packed.length
    if (this.#outLen + length > this.#out.length) this.flush()
    if (this.#outLen === 0) process.nextTick(() => this.flush())
    const out = this.#out
    const at = this.#outLen
    out.writeUInt32LE(length - 4, at)
    out[at + 4] = kind
    out.writeUInt32LE(id, at + 5)
    out.set(packed, at + HEAD_LEN)
    this.#outLen = at + length
    if (this.#outLen >= FLUSH_LEN) this.flush()
    return this.#isFine
  }

  flush() {
    if (this.#outLen === 0) return
    const out = this.#out
    // Node keeps what the kernel did not take: the memory is ours again when the write has ended.
    this.#isFine = this.#socket.write(out.subarray(0, this.#outLen), () => this.#spare.push(out))
    this.#out = this.#spare.pop() ?? Buffer.allocUnsafeSlow(OUT_LEN)
    this.#outLen = 0
  }

  drained() {
    return this.#isFine ? undefined : once(this.#socket, 'drain')
  }

  read(onFrame) {
    let rest = Buffer.alloc(0)
    this.#socket.on('data', (chunk) => {
      let input = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      while (input.length - at >= HEAD_LEN) {
        const end = at + 4 + input.readUInt32LE(at)
        if (end > input.length) break
        const kind = input[at + 4] & ~RAW
        const bytes = input.subarray(at + HEAD_LEN, end)
        const message = input[at + 4] & RAW ? bytes : this.#unpackers[kind].unpack(bytes)
        onFrame(kind, input.readUInt32LE(at + 5), message)
        at = end
      }
      rest = input.subarray(at)
    })
  }
}

export async function follow({ onMessage, onCall }) {
  const socket = net.connect(process.env.BENCH_SOCKET)
  const link = new Link(socket)
  link.read(async (kind, id, message) => {
    if (kind !== KIND.call) return onMessage(message)
    link.send(KIND.answer, id, await onCall(message))
  })
}

// In a file of its own, so that a follower carries none of it.
export const lead = async (options) => (await import('./net_lead.mjs')).lead(options)
