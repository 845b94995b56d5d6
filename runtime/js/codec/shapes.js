// Shapes: the keys of an object, sent once and then called by a number (wire.md, SHAPE and ext 1).
//
// OwnShapes numbers the shapes of the objects this node sends; PeerShapes keeps those of one other node. An
// object's keys are a path through a trie, and each step first tries the branch taken last time: for an object like
// the last one, a step is one comparison of two pointers.
'use strict'

const { isFar } = require('./far.js')
const { LIMITS } = require('./types.js')

// A shape costs every peer memory for ever, so it must have been seen twice; when half of the numbers
// are given away (somebody uses objects as dictionaries), more often.
const SIGHTINGS = 2
const SIGHTINGS_WHEN_SCARCE = 64

// Nodes of the trie that may exist beside those of numbered shapes.
const NODES_MAX = 8192
// Bodies that wait to be sent: the shapes that one message is the first to use.
const FRESH_LEN_MAX = 64 << 10

class Node {
  constructor(parent, key) {
    this.last = null // the branch taken last
    this.key = key
    this.id = -1
    this.seen = 0
    this.size = parent === null ? 0 : parent.size + 1
    this.parent = parent
    this.branches = null
  }
}

// Leads nowhere but to itself: too many keys, or keys that no SHAPE can carry.
const DEAD = new Node(null, undefined)
DEAD.last = DEAD
DEAD.id = -2

class OwnShapes {
  count = 0
  root = null
  #nodes = 0
  #numbered = []
  #fresh = [] // bodies of shapes that were numbered, and not yet taken to be sent
  #freshLen = 0

  constructor() {
    this.#grow()
  }

  get hasFresh() {
    return this.#freshLen > 0
  }

  // The bodies that peers must get before the message that was encoded last.
  takeFresh() {
    this.#freshLen = 0
    return this.#fresh.splice(0)
  }

  #grow() {
    this.root = new Node(null, undefined)
    this.root.last = DEAD
    this.root.id = -2 // {} is two bytes as a map
    this.#nodes = 0
  }

  // The node for `key` below `node`, when it is not the branch taken last.
  step(node, key) {
    if (node === DEAD) return DEAD
    let next = node.branches?.get(key)
    if (next === undefined) {
      if (node.size === LIMITS.SHAPE_KEYS) return DEAD
      next = new Node(node, key)
      next.last = DEAD
      this.#nodes++
      if (node.branches === null) node.branches = new Map()
      node.branches.set(key, next)
    }
    node.last = next
    return next
  }

  // The object whose keys end at `node` has no number yet: counts it, and gives it one when it is time.
  sighted(node) {
    if (node.id === -2) return -1
    const wanted = this.count < LIMITS.SHAPES / 2 ? SIGHTINGS : SIGHTINGS_WHEN_SCARCE
    if (++node.seen < wanted || this.#freshLen > FRESH_LEN_MAX) {
      if (this.#nodes > NODES_MAX) this.#prune()
      return -1
    }
    const body = this.count < LIMITS.SHAPES ? shapeBody(this.count, keysOf(node)) : null
    if (body === null) {
      node.id = -2
      return -1
    }
    this.#fresh.push(body)
    this.#freshLen += body.length
    this.#numbered.push(node)
    return (node.id = this.count++)
  }

  // Forgets the keys that were only seen once or so; they would fill the memory of a program that uses
  // objects as dictionaries.
  #prune() {
    this.#grow()
    for (const old of this.#numbered) {
      let node = this.root
      for (const key of keysOf(old)) node = this.step(node, key)
      node.id = old.id
    }
    this.#nodes = 0
  }
}

function keysOf(node) {
  const keys = []
  for (; node.parent !== null; node = node.parent) keys.push(node.key)
  return keys.reverse()
}

// u16 id, u8 count, count x (u8 len, UTF-8 key); null when a key or all of them are too long.
function shapeBody(id, keys) {
  const parts = [Buffer.from([id >> 8, id, keys.length])]
  for (const key of keys) {
    const bytes = Buffer.from(key)
    if (bytes.length > 255) return null
    parts.push(Buffer.from([bytes.length]), bytes)
  }
  const body = Buffer.concat(parts)
  return body.length > LIMITS.SHAPE_LEN ? null : body
}

// After so many objects of a shape a reader is compiled for it.
const COMPILE_AFTER = 8

class PeerShape {
  constructor(keys) {
    this.keys = keys
    this.read = null // (decoder) -> object, once compiled
    this.uses = 0
    this.isFar = keys.some(isFar) // never compiled: a literal takes room for every number
  }

  // Counts a use; true when `read` may be called.
  warm() {
    if (++this.uses === COMPILE_AFTER && !this.isFar) this.read = compileReader(this.keys)
    return this.read !== null
  }
}

// A function that builds the object in one literal, so that it gets its final hidden class at once. The keys come
// from the peer: each stands there as a JSON string, which is a JavaScript string (ES2019), and nothing else does.
function compileReader(keys) {
  // ["__proto__"]: in a literal the bare name would set the prototype.
  const properties = keys.map((key) => `${key === '__proto__' ? '["__proto__"]' : JSON.stringify(key)}: d.any()`)
  try {
    return new Function('d', `return {${properties.join(', ')}}`)
  } catch {
    return null // code generation is forbidden here (--disallow-code-generation-from-strings): the loop does it
  }
}

class PeerShapes {
  #shapes = []

  get(id) {
    return this.#shapes[id]
  }

  // Takes a SHAPE body; false when it breaks the rules of wire.md. After a new link they begin again, the same.
  add(body) {
    if (body.length < 4 || body.length > LIMITS.SHAPE_LEN) return false
    const id = (body[0] << 8) | body[1]
    const count = body[2]
    if (id > this.#shapes.length || id >= LIMITS.SHAPES || count < 1 || count > LIMITS.SHAPE_KEYS) return false
    const keys = []
    let at = 3
    while (keys.length < count && at < body.length) {
      const end = at + 1 + body[at]
      if (end > body.length) return false
      keys.push(Buffer.prototype.toString.call(body, 'utf8', at + 1, end))
      at = end
    }
    if (keys.length !== count || at !== body.length) return false
    if (id < this.#shapes.length) return String(this.#shapes[id].keys) === String(keys)
    this.#shapes.push(new PeerShape(keys))
    return true
  }
}

module.exports = { OwnShapes, PeerShapes }
