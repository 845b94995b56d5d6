// The objects that one message has met so far, in order: one that comes again is sent as a reference to its number.
//
// Three ways, for messages of any size: the first few objects are looked through one by one; of more, a Set tells
// whether one is new with one search in place of a Map's two; and from the first one that is not, a Map knows their
// numbers.
'use strict'

const FEW = 16

class Met {
  #few = new Array(FEW).fill(null)
  #count = 0
  #many = new Set() // those behind the few
  #numbers = null

  // The number of an object that was met before; -1 for a new one, which gets the next number.
  numberOf(object) {
    const count = this.#count
    const few = count < FEW ? count : FEW
    for (let i = 0; i < few; i++) {
      if (this.#few[i] === object) return i
    }
    if (count < FEW) {
      this.#few[count] = object
      this.#count = count + 1
      return -1
    }
    return this.#numberOfMany(object)
  }

  #numberOfMany(object) {
    if (this.#numbers === null) {
      if (this.#many.add(object).size > this.#count - FEW) {
        this.#count++
        return -1
      }
      this.#numbers = new Map()
      for (const known of this.#many) this.#numbers.set(known, FEW + this.#numbers.size)
    }
    const number = this.#numbers.get(object)
    if (number !== undefined) return number
    this.#numbers.set(object, this.#count++)
    return -1
  }

  // Before the next message; nobody's objects are held on to.
  forget() {
    const few = Math.min(this.#count, FEW)
    for (let i = 0; i < few; i++) this.#few[i] = null
    if (this.#count > FEW) {
      this.#many.clear()
      this.#numbers = null
    }
    this.#count = 0
  }
}

module.exports = { Met }
