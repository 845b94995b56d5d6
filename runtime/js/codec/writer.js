// MessagePack tokens into memory that somebody else owns.
//
// Small writes are not checked against the end: one that falls behind the memory has no effect in JavaScript, the
// memory behind `end` is nobody's yet, and each container and each larger write looks whether the end was passed.
'use strict'

const { EXT, LIMITS } = require('./types.js')
const { Uncloneable, TOO_LARGE } = require('./refusal.js')

// Up to this length a loop in JavaScript writes a string faster than a call into C++.
const SHORT_STRING = 32

class Writer {
  #bytes = Buffer.alloc(0)
  #view = new DataView(new ArrayBuffer(0))
  pos = 0
  end = 0

  // The memory to write to: a Buffer.
  target(bytes) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  // Throws when `len` more bytes have no room.
  room(len) {
    if (this.pos + len > this.end) throw TOO_LARGE
  }

  // ---- scalars

  byte(byte) {
    this.#bytes[this.pos++] = byte
  }

  number(n) {
    const bytes = this.#bytes
    const pos = this.pos
    if ((n | 0) !== n || (n === 0 && 1 / n < 0)) return this.#wideNumber(n)
    if (n >= 0) {
      if (n < 0x80) {
        bytes[pos] = n
        this.pos = pos + 1
      } else if (n < 0x100) {
        bytes[pos] = 0xcc
        bytes[pos + 1] = n
        this.pos = pos + 2
      } else if (n < 0x10000) {
        bytes[pos] = 0xcd
        bytes[pos + 1] = n >> 8
        bytes[pos + 2] = n
        this.pos = pos + 3
      } else {
        this.#tagged32(0xce, n)
      }
    } else if (n >= -0x20) {
      bytes[pos] = n
      this.pos = pos + 1
    } else if (n >= -0x80) {
      bytes[pos] = 0xd0
      bytes[pos + 1] = n
      this.pos = pos + 2
    } else if (n >= -0x8000) {
      bytes[pos] = 0xd1
      bytes[pos + 1] = n >> 8
      bytes[pos + 2] = n
      this.pos = pos + 3
    } else {
      this.#tagged32(0xd2, n)
    }
  }

  // Not an int32, or -0.
  #wideNumber(n) {
    if (n >= 0 && n <= 0xffffffff && n >>> 0 === n && !Object.is(n, -0)) return this.#tagged32(0xce, n)
    this.room(9)
    const view = this.#view
    const pos = this.pos
    if (Number.isSafeInteger(n) && n !== 0) {
      this.#bytes[pos] = n > 0 ? 0xcf : 0xd3
      view.setInt32(pos + 1, Math.floor(n / 0x100000000))
      view.setUint32(pos + 5, n >>> 0)
      this.pos = pos + 9
    } else if (Math.fround(n) === n || n !== n) {
      this.#bytes[pos] = 0xca
      view.setFloat32(pos + 1, n)
      this.pos = pos + 5
    } else {
      this.#bytes[pos] = 0xcb
      view.setFloat64(pos + 1, n)
      this.pos = pos + 9
    }
  }

  #tagged32(tag, n) {
    const bytes = this.#bytes
    const pos = this.pos
    bytes[pos] = tag
    bytes[pos + 1] = n >>> 24
    bytes[pos + 2] = n >>> 16
    bytes[pos + 3] = n >>> 8
    bytes[pos + 4] = n
    this.pos = pos + 5
  }

  #tagged16(tag, n) {
    const bytes = this.#bytes
    const pos = this.pos
    bytes[pos] = tag
    bytes[pos + 1] = n >> 8
    bytes[pos + 2] = n
    this.pos = pos + 3
  }

  #tagged8(tag, n) {
    const pos = this.pos
    this.#bytes[pos] = tag
    this.#bytes[pos + 1] = n
    this.pos = pos + 2
  }

  // Its size is judged before its text is made: that takes quadratic time.
  bigint(n) {
    if (BigInt.asIntN(64, n) === n) {
      this.room(10)
      this.#tagged8(0xd7, EXT.BIGINT_64)
      this.#view.setBigInt64(this.pos, n)
      this.pos += 8
      return
    }
    const magnitude = n < 0n ? -n : n
    if (BigInt.asUintN(LIMITS.BIGINT_LEN * 8, magnitude) !== magnitude) {
      throw new Uncloneable(`a BigInt of more than ${LIMITS.BIGINT_LEN} bytes`)
    }
    const hex = magnitude.toString(16)
    const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
    this.#extHead(EXT.BIGINT, bytes.length + 1)
    this.byte(n < 0n ? 1 : 0)
    this.#raw(bytes)
  }

  // MessagePack's timestamp: 32 bits of seconds; 30 of nanoseconds and 34 of seconds; or 32 and 64.
  date(ms) {
    if (ms !== ms) return this.mark(EXT.INVALID_DATE)
    this.room(15)
    const seconds = Math.floor(ms / 1000)
    const nanos = (ms - seconds * 1000) * 1e6
    if (seconds < 0 || seconds >= 2 ** 34) {
      this.#tagged8(0xc7, 12)
      this.byte(EXT.DATE)
      this.#word(nanos)
      this.#view.setBigInt64(this.pos, BigInt(seconds))
      this.pos += 8
    } else if (nanos !== 0 || seconds >= 2 ** 32) {
      this.#tagged8(0xd7, EXT.DATE)
      this.#word(nanos * 4 + Math.floor(seconds / 2 ** 32))
      this.#word(seconds % 2 ** 32)
    } else {
      this.#tagged8(0xd6, EXT.DATE)
      this.#word(seconds)
    }
  }

  string(s) {
    const len = s.length
    if (len >= SHORT_STRING) return this.#longString(s)
    const bytes = this.#bytes
    let pos = this.pos
    bytes[pos++] = 0xa0 | len
    for (let i = 0; i < len; i++) {
      const unit = s.charCodeAt(i)
      if (unit > 0x7f) return this.#longString(s)
      bytes[pos++] = unit
    }
    this.pos = pos
  }

  // Its length in bytes is known only when it is written: the head is made for one byte a unit, and the
  // bytes are moved when that was too small.
  #longString(s) {
    const guess = strHeadLen(s.length)
    this.room(guess + s.length)
    const start = this.pos + guess
    // Stops before a character that does not fit; then the text is longer than what is left.
    const len = this.#bytes.write(s, start, this.end - start, 'utf8')
    if (start + len >= this.end - 3 && Buffer.byteLength(s) !== len) throw TOO_LARGE
    const head = strHeadLen(len)
    if (head !== guess) {
      this.room(head + len)
      this.#bytes.copyWithin(this.pos + head, start, start + len)
    }
    if (head === 1) this.byte(0xa0 | len)
    else if (head === 2) this.#tagged8(0xd9, len)
    else if (head === 3) this.#tagged16(0xda, len)
    else this.#tagged32(0xdb, len)
    this.pos += len
  }

  // ---- bytes and extensions

  #raw(source) {
    this.room(source.length)
    this.#bytes.set(source, this.pos)
    this.pos += source.length
  }

  buffer(source) {
    const len = source.length
    if (len < 0x100) this.#tagged8(0xc4, len)
    else if (len < 0x10000) this.#tagged16(0xc5, len)
    else this.#tagged32(0xc6, len)
    this.#raw(source)
  }

  memory(kind, buffer, offset, len) {
    this.#extHead(EXT.TYPED_ARRAY, len + 1)
    this.byte(kind)
    this.#raw(new Uint8Array(buffer, offset, len))
  }

  #extHead(type, len) {
    if (len < 0x100) this.#tagged8(0xc7, len)
    else if (len < 0x10000) this.#tagged16(0xc8, len)
    else this.#tagged32(0xc9, len)
    this.byte(type)
  }

  #word(n) {
    this.room(4)
    this.#view.setUint32(this.pos, n)
    this.pos += 4
  }

  // fixext 1 with content 0
  mark(type) {
    this.#tagged16(0xd4, type << 8)
  }

  url(href) {
    const bytes = Buffer.from(href)
    this.#extHead(EXT.URL, bytes.length)
    this.#raw(bytes)
  }

  reference(index) {
    this.#tagged8(0xd6, EXT.REFERENCE)
    this.#word(index)
  }

  // An extension whose content is MessagePack again: begins after room for the smallest head.
  open() {
    this.room(3)
    this.pos += 3
    return this.pos
  }

  close(type, start) {
    const len = this.pos - start
    const more = len < 0x100 ? 0 : len < 0x10000 ? 1 : 3
    if (more > 0) {
      this.room(more)
      this.#bytes.copyWithin(start + more, start, start + len)
    }
    this.pos = start - 3
    this.#extHead(type, len)
    this.pos += len
  }

  // ---- heads of containers

  shapeHead(id, count) {
    const bytes = this.#bytes
    let pos = this.pos
    if (count < 16) {
      bytes[pos++] = 0x90 | count
    } else {
      bytes[pos] = 0xdc
      bytes[pos + 1] = 0
      bytes[pos + 2] = count
      pos += 3
    }
    bytes[pos] = 0xd5
    bytes[pos + 1] = EXT.SHAPE
    bytes[pos + 2] = id >> 8
    bytes[pos + 3] = id
    this.pos = pos + 4
  }

  mapHead(count) {
    if (count < 16) this.byte(0x80 | count)
    else if (count < 0x10000) this.#tagged16(0xde, count)
    else this.#tagged32(0xdf, count)
  }

  arrayHead(count) {
    if (count < 16) this.byte(0x90 | count)
    else if (count < 0x10000) this.#tagged16(0xdc, count)
    else this.#tagged32(0xdd, count)
  }
}

// Bytes of the head of a string of `len` bytes.
function strHeadLen(len) {
  return len < 32 ? 1 : len < 0x100 ? 2 : len < 0x10000 ? 3 : 5
}

module.exports = { Writer }
