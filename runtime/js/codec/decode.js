// Payload bytes (wire.md, Payload) -> JavaScript value. The bytes come from outside: every count, length and number
// is judged before memory is taken, and whatever is wrong with them ends in one MeshError, ERR_WARREN_PROTOCOL.
//
// Reading behind the end of a payload is harmless here (the memory behind it is ours too), so single bytes are read
// unchecked, and whether the value ended exactly where it must is asked once, at the end.
'use strict'

const { URL } = require('url')
const { MeshError } = require('../errors.js')
const { isFar, takeFar } = require('./far.js')
const { Strings } = require('./strings.js')
const { PeerShapes } = require('./shapes.js')
const { makeError, HIDDEN_PROPERTIES } = require('./thrown.js')
const { EXT, LIMITS, VIEW_CLASSES, KIND_ARRAY_BUFFER } = require('./types.js')

// Why the bytes are refused.
class Broken {
  constructor(text) {
    this.text = text
  }
}
// A back-reference was met. They are rare, and to build objects around them is slower, so the value is read
// again from its start in the other way.
const REFERS_BACK = Symbol('back-reference')

// Buffers share memory in pieces of this length, as Node.js's own do: to allocate costs more than to copy. Larger ones
// have their own.
const SLAB_LEN = 64 << 10
const SLAB_SHARE_MAX = SLAB_LEN / 4

// A list gets room for so many elements before they have been read: 64 lists in each other then have 512 KiB.
const ROOM_MAX = 1024

const NO_SHAPES = new PeerShapes()
const DATE_MS_MAX = 8.64e15
const NANOSECONDS = 1e9

class Decoder {
  #bytes = Buffer.alloc(0)
  #view = new DataView(new ArrayBuffer(0))
  #pos = 0
  #end = 0
  #depth = 0
  #budget = 0 // how many more values the message has room for
  #shapes = NO_SHAPES
  #strings
  #isTracking = false
  #met = []
  #slab = new ArrayBuffer(0)
  #slabAt = 0

  constructor(strings = new Strings()) {
    this.#strings = strings
  }

  // The memory to read from: a Buffer.
  source(bytes) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  // Where the last value ended.
  get position() {
    return this.#pos
  }

  // The one value from `start` to `end`.
  decode(start, end, shapes) {
    const value = this.decodeFirst(start, end, shapes)
    if (this.#pos !== end) throw broken('bytes follow the value')
    return value
  }

  // The first value at `start`: others may follow it, from `position` on.
  decodeFirst(start, end, shapes = NO_SHAPES) {
    try {
      return this.#whole(start, end, shapes)
    } catch (err) {
      if (err !== REFERS_BACK) throw refusal(err)
    }
    this.#isTracking = true
    try {
      return this.#whole(start, end, shapes)
    } catch (err) {
      throw refusal(err)
    } finally {
      this.#isTracking = false
      this.#met = []
    }
  }

  #whole(start, end, shapes) {
    this.#pos = start
    this.#end = end
    this.#shapes = shapes
    this.#depth = 0
    this.#budget = end - start
    const value = this.any()
    if (this.#pos > end) throw new Broken('the value is cut off')
    return value
  }

  // The next value. Public for the readers that shapes compile.
  any() {
    const token = this.#bytes[this.#pos++]
    if (token < 0x80) return token
    if (token < 0x90) return this.#map(token & 0x0f)
    if (token < 0xa0) return this.#array(token & 0x0f)
    if (token < 0xc0) return this.#string(token & 0x1f)
    if (token >= 0xe0) return token - 0x100
    return this.#tagged(token)
  }

  #tagged(token) {
    switch (token) {
      case 0xc0: return null
      case 0xc2: return false
      case 0xc3: return true
      case 0xc4: return this.#buffer(this.#u8())
      case 0xc5: return this.#buffer(this.#u16())
      case 0xc6: return this.#buffer(this.#u32())
      case 0xc7: return this.#ext(this.#u8())
      case 0xc8: return this.#ext(this.#u16())
      case 0xc9: return this.#ext(this.#u32())
      case 0xca: return this.#view.getFloat32(this.#take(4))
      case 0xcb: return this.#view.getFloat64(this.#take(8))
      case 0xcc: return this.#u8()
      case 0xcd: return this.#u16()
      case 0xce: return this.#u32()
      case 0xcf: return this.#uint64()
      case 0xd0: return (this.#u8() << 24) >> 24
      case 0xd1: return (this.#u16() << 16) >> 16
      case 0xd2: return this.#u32() | 0
      case 0xd3: return this.#int64()
      case 0xd4: return this.#ext(1)
      case 0xd5: return this.#ext(2)
      case 0xd6: return this.#ext(4)
      case 0xd7: return this.#ext(8)
      case 0xd8: return this.#ext(16)
      case 0xd9: return this.#string(this.#u8())
      case 0xda: return this.#string(this.#u16())
      case 0xdb: return this.#string(this.#u32())
      case 0xdc: return this.#array(this.#u16())
      case 0xdd: return this.#array(this.#u32())
      case 0xde: return this.#map(this.#u16())
      case 0xdf: return this.#map(this.#u32())
      default: throw new Broken('a byte that begins no value')
    }
  }

  // ---- scalars

  #u8() {
    return this.#bytes[this.#pos++]
  }

  #u16() {
    const pos = this.#pos
    this.#pos = pos + 2
    return (this.#bytes[pos] << 8) | this.#bytes[pos + 1]
  }

  #u32() {
    const bytes = this.#bytes
    const pos = this.#pos
    this.#pos = pos + 4
    return ((bytes[pos] << 24) | (bytes[pos + 1] << 16) | (bytes[pos + 2] << 8) | bytes[pos + 3]) >>> 0
  }

  // Whole numbers that a JavaScript number cannot hold exactly come as BigInt (only C programs send them so).
  #uint64() {
    const big = this.#view.getBigUint64(this.#take(8))
    return big <= Number.MAX_SAFE_INTEGER ? Number(big) : big
  }

  #int64() {
    const big = this.#view.getBigInt64(this.#take(8))
    return big <= Number.MAX_SAFE_INTEGER && big >= Number.MIN_SAFE_INTEGER ? Number(big) : big
  }

  #string(len) {
    const start = this.#take(len)
    return this.#strings.get(this.#bytes, start, len)
  }

  // Passes over `len` bytes and returns where they begin.
  #take(len) {
    const start = this.#pos
    if (!(len <= this.#end - start)) throw new Broken('the value is cut off')
    this.#pos = start + len
    return start
  }

  #buffer(len) {
    const start = this.#take(len)
    const copy = len > SLAB_SHARE_MAX ? Buffer.allocUnsafeSlow(len) : this.#share(len)
    copy.set(new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, len))
    return copy
  }

  #share(len) {
    if (this.#slabAt + len > this.#slab.byteLength) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_LEN).buffer
      this.#slabAt = 0
    }
    const at = this.#slabAt
    this.#slabAt = (at + len + 7) & ~7
    return Buffer.from(this.#slab, at, len)
  }

  // A copy of its own.
  #memory(start, end) {
    const { buffer, byteOffset } = this.#bytes
    return buffer.slice(byteOffset + start, byteOffset + end)
  }

  // ---- containers

  // Each value takes a byte at least, so all counts together are no more than the bytes.
  #enter(count) {
    if (!((this.#budget -= count) >= 0)) throw new Broken('a count is larger than the message')
    if (++this.#depth > LIMITS.DEPTH) throw new Broken(`nested deeper than ${LIMITS.DEPTH} levels`)
  }

  #track(object) {
    if (this.#isTracking) this.#met.push(object)
    return object
  }

  #array(count) {
    this.#enter(count)
    const bytes = this.#bytes
    let value
    if (count > 0 && bytes[this.#pos] === 0xd5 && bytes[this.#pos + 1] === EXT.SHAPE) value = this.#shaped(count - 1)
    else value = this.#elements(count)
    this.#depth--
    return value
  }

  #elements(count) {
    const array = this.#track(new Array(Math.min(count, ROOM_MAX)))
    for (let i = 0; i < count; i++) {
      if (this.#bytes[this.#pos] === 0xd4 && this.#bytes[this.#pos + 1] === EXT.HOLE) this.#pos += 3
      else array[i] = this.any()
    }
    if (array.length < count) array.length = count // it ends with holes
    return array
  }

  #shaped(count) {
    const pos = this.#pos
    this.#pos = pos + 4
    const shape = this.#shapes.get((this.#bytes[pos + 2] << 8) | this.#bytes[pos + 3])
    if (shape === undefined) throw new Broken('an unknown shape')
    if (shape.keys.length !== count) throw new Broken('a shape with another number of values')
    if (!this.#isTracking && (shape.read !== null || shape.warm())) return shape.read(this)
    const object = this.#track({})
    if (shape.isFar) takeFar(object)
    for (const key of shape.keys) put(object, key, this.any())
    return object
  }

  #map(count) {
    this.#enter(2 * count)
    const token = this.#bytes[this.#pos]
    const value = count === 0 || isString(token) ? this.#properties(count, {}) : this.#entries(count, new Map())
    this.#depth--
    return value
  }

  #properties(count, object) {
    this.#track(object)
    let far = false
    for (let i = 0; i < count; i++) {
      const key = this.#key()
      if (!far) far = isFar(key, i) && takeFar(object)
      put(object, key, this.any())
    }
    return object
  }

  #key() {
    const token = this.#bytes[this.#pos++]
    if ((token & 0xe0) === 0xa0) return this.#string(token & 0x1f)
    if (!isString(token)) throw new Broken('a map with keys of several types')
    return this.#tagged(token)
  }

  // Keys that are no strings make a Map; JavaScript itself sends those as ext 3.
  #entries(count, map) {
    this.#track(map)
    for (let i = 0; i < count; i++) {
      const key = this.any()
      map.set(key, this.any())
    }
    return map
  }

  // ---- extensions

  #ext(len) {
    const type = this.#u8()
    const start = this.#take(len)
    const end = start + len
    switch (type) {
      case EXT.DATE: return this.#date(start, len)
      case EXT.UNDEFINED: return this.#marker(start, len, undefined)
      case EXT.MAP: return this.#inside(start, end, this.#extMap)
      case EXT.SET: return this.#inside(start, end, this.#extSet)
      case EXT.BIGINT: return this.#bigint(start, len)
      case EXT.BIGINT_64: return this.#bigint64(start, len)
      case EXT.TYPED_ARRAY: return this.#arrayView(start, end)
      case EXT.REGEXP: return this.#inside(start, end, this.#regexp)
      case EXT.URL: return this.#url(start, end)
      case EXT.ERROR: return this.#inside(start, end, this.#error)
      case EXT.REFERENCE: return this.#reference(start, len)
      case EXT.INVALID_DATE: return this.#marker(start, len, new Date(NaN))
      default: throw new Broken('an extension that has no meaning here')
    }
  }

  #marker(start, len, value) {
    if (len !== 1 || this.#bytes[start] !== 0) throw new Broken('an extension of a wrong size')
    return value
  }

  // Reads the MessagePack inside an extension, which must fill it.
  #inside(start, end, read) {
    this.#pos = start
    const value = read.call(this)
    if (this.#pos !== end) throw new Broken('an extension of a wrong size')
    this.#depth--
    return value
  }

  // The head of the array that an extension holds.
  #arrayHead() {
    const count = this.#count(0x90, 0xdc)
    if (count < 0) throw new Broken('an extension without its array')
    this.#enter(count)
    return count
  }

  // The count in the head of an array or map, of three forms; -1 when something else is there.
  #count(tokenOfFew, token16) {
    const token = this.#u8()
    if ((token & 0xf0) === tokenOfFew) return token & 0x0f
    if (token === token16) return this.#u16()
    return token === token16 + 1 ? this.#u32() : -1
  }

  #extMap() {
    const count = this.#arrayHead()
    if (count % 2 !== 0) throw new Broken('a Map with a key and no value')
    return this.#entries(count / 2, new Map())
  }

  #extSet() {
    const count = this.#arrayHead()
    const set = this.#track(new Set())
    for (let i = 0; i < count; i++) set.add(this.any())
    return set
  }

  #date(start, len) {
    const view = this.#view
    let seconds, nanos
    if (len === 4) {
      seconds = view.getUint32(start)
      nanos = 0
    } else if (len === 8) {
      const word = view.getUint32(start)
      seconds = (word & 3) * 2 ** 32 + view.getUint32(start + 4)
      nanos = word >>> 2
    } else if (len === 12) {
      seconds = Number(view.getBigInt64(start + 4))
      nanos = view.getUint32(start)
    } else {
      throw new Broken('a timestamp of a wrong size')
    }
    const ms = seconds * 1000 + Math.floor(nanos / 1e6)
    if (nanos >= NANOSECONDS || Math.abs(ms) > DATE_MS_MAX) throw new Broken('a timestamp out of range')
    return new Date(ms)
  }

  #bigint64(start, len) {
    if (len !== 8) throw new Broken('an extension of a wrong size')
    return this.#view.getBigInt64(start)
  }

  #bigint(start, len) {
    const sign = this.#bytes[start]
    const isRight = len >= 2 && len <= 1 + LIMITS.BIGINT_LEN && sign <= 1 && this.#bytes[start + 1] !== 0
    if (!isRight) throw new Broken('a malformed BigInt')
    const magnitude = BigInt(`0x${this.#bytes.toString('hex', start + 1, start + len)}`)
    return sign === 1 ? -magnitude : magnitude
  }

  #arrayView(start, end) {
    const kind = start < end ? this.#bytes[start] : 0
    if (kind === KIND_ARRAY_BUFFER) return this.#memory(start + 1, end)
    const viewClass = VIEW_CLASSES[kind]
    if (viewClass == null) throw new Broken('a typed array of no known kind')
    if ((end - start - 1) % (viewClass.BYTES_PER_ELEMENT ?? 1) !== 0) throw new Broken('a typed array of a wrong size')
    return new viewClass(this.#memory(start + 1, end))
  }

  #regexp() {
    if (this.#arrayHead() !== 2) throw new Broken('a malformed RegExp')
    const source = this.any()
    const flags = this.any()
    const isRight = typeof source === 'string' && typeof flags === 'string' && source.length <= LIMITS.REGEXP_LEN
    if (!isRight) throw new Broken('a malformed RegExp')
    try {
      return new RegExp(source, flags)
    } catch {
      throw new Broken('a RegExp that does not compile here')
    }
  }

  #url(start, end) {
    try {
      return new URL(this.#bytes.toString('utf8', start, end))
    } catch {
      throw new Broken('a malformed URL')
    }
  }

  #error() {
    if (this.#arrayHead() !== 4) throw new Broken('a malformed Error')
    // Its place among the objects met comes before what is inside it.
    const place = this.#isTracking ? this.#met.push(null) - 1 : -1
    const className = this.any()
    const message = this.any()
    const stack = this.any()
    const isRight = typeof className === 'string' && typeof message === 'string' && typeof stack === 'string'
    if (!isRight) throw new Broken('a malformed Error')
    const error = makeError(className, message, stack)
    if (place >= 0) this.#met[place] = error
    this.#errorProperties(error)
    if (className === 'DOMException' && !Object.hasOwn(error, 'code')) addCode(error)
    return error
  }

  #errorProperties(error) {
    const count = this.#count(0x80, 0xde)
    if (count < 0) throw new Broken('a malformed Error')
    this.#enter(2 * count)
    let far = false
    for (let i = 0; i < count; i++) {
      const key = this.#key()
      if (!far) far = isFar(key, i) && takeFar(error)
      define(error, key, this.any(), !HIDDEN_PROPERTIES.includes(key))
    }
    this.#depth--
  }

  #reference(start, len) {
    if (!this.#isTracking) throw REFERS_BACK
    const object = len === 4 ? this.#met[this.#view.getUint32(start)] : undefined
    if (object == null) throw new Broken('a reference to nothing')
    return object
  }
}

function isString(token) {
  return (token & 0xe0) === 0xa0 || (token >= 0xd9 && token <= 0xdb)
}

// What a DOMException's name gives as its `code` is asked of an internal name that it was made with; it got its name later.
function addCode(error) {
  define(error, 'code', new DOMException('', error.name).code, false)
}

function put(object, key, value) {
  // Assigned, it would be the prototype.
  if (key === '__proto__') define(object, key, value, true)
  else object[key] = value
}

function define(object, key, value, enumerable) {
  Object.defineProperty(object, key, { value, writable: true, enumerable, configurable: true })
}

function broken(text, cause) {
  return new MeshError('ERR_WARREN_PROTOCOL', `malformed message: ${text}`, { cause })
}

function refusal(err) {
  return err instanceof Broken ? broken(err.text) : err
}

module.exports = { Decoder }
