// Short texts that come again and again (keys, names of methods, subjects): found by their bytes, so that they are
// not made anew for every message.
'use strict'

const SLOTS = 1024
const CACHED_LEN_MAX = 40

class Strings {
  #known = new Array(SLOTS).fill('')

  // The text of `len` bytes of UTF-8 at `start`; invalid bytes become U+FFFD.
  get(bytes, start, len) {
    if (len > CACHED_LEN_MAX) return bytes.toString('utf8', start, start + len)
    const end = start + len
    let hash = len
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]) | 0
    const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
    const known = this.#known[slot]
    if (known.length === len) {
      let i = 0
      while (i < len && known.charCodeAt(i) === bytes[start + i]) i++
      if (i === len) return known
    }
    const text = bytes.toString('utf8', start, end)
    // Beyond ASCII there are fewer units than bytes, and the comparison above would not hold.
    if (text.length === len) this.#known[slot] = text
    return text
  }
}

module.exports = { Strings }
