// JavaScript value -> payload bytes (wire.md, Payload): the walk through a value. writer.js makes the bytes.
'use strict'

const { badArgument } = require('../errors.js')
const { types } = require('util')
const { URL } = require('url')
const { Met } = require('./met.js')
const { Uncloneable, TOO_LARGE, uncloneable, article, explained, changed } = require('./refusal.js')
const { keyStep, printed, under } = require('./refusal.js')
const { OwnShapes } = require('./shapes.js')
const { classNameOf, keysOf, text } = require('./thrown.js')
const { EXT, LIMITS, VIEW_KINDS, KIND_DATA_VIEW, KIND_ARRAY_BUFFER } = require('./types.js')
const { Writer } = require('./writer.js')

const objectPrototype = Object.prototype
const arrayPrototype = Array.prototype
const bufferPrototype = Buffer.prototype
const dateGetTime = Date.prototype.getTime
const mapEntries = Map.prototype.entries
const setValues = Set.prototype.values
const regexpSource = getterOf(RegExp.prototype, 'source')
const regexpFlags = getterOf(RegExp.prototype, 'flags')
const urlHref = getterOf(URL.prototype, 'href')
const viewName = getterOf(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)

class Encoder {
  #out = new Writer()
  #shapes
  #depth = 0
  #met = new Met() // in the order their heads are written: what back-references count
  // Somebody put enumerable properties on Object.prototype: for...in would see them in every object.
  #isPolluted = false

  constructor(shapes = new OwnShapes()) {
    this.#shapes = shapes
  }

  // The memory to write to: a Buffer.
  target(bytes) {
    this.#out.target(bytes)
  }

  // Writes `value` at `start` and returns where it ended, at most `end`. Throws MeshError.
  encode(value, start, end) {
    this.#out.pos = start
    this.#out.end = end
    this.#isPolluted = hasEnumerable(objectPrototype)
    try {
      this.#any(value)
      if (this.#out.pos > end) throw TOO_LARGE
      return this.#out.pos
    } catch (err) {
      throw explained(err, end - start)
    } finally {
      this.#depth = 0
      this.#met.forget()
    }
  }

  // Headers: a map of texts, never a shape, so that C finds them easily.
  encodeTexts(texts, start, end) {
    const isPlain = typeof texts === 'object' && texts !== null && !Array.isArray(texts) && typeof texts[Symbol.iterator] !== 'function'
    if (!isPlain) throw badArgument(TypeError, 'headers must be an object of texts') // of a Map or Headers nothing would be seen
    const entries = Object.entries(texts)
    this.#out.pos = start
    this.#out.end = end
    try {
      this.#out.mapHead(entries.length)
      for (const [key, value] of entries) {
        if (typeof value !== 'string') throw badArgument(TypeError, `header ${JSON.stringify(key)} must be a string`)
        this.#out.string(key)
        this.#out.string(value)
      }
      this.#out.room(0)
      return this.#out.pos
    } catch (err) {
      throw err === TOO_LARGE ? explained(err, end - start) : err
    }
  }

  #any(value) {
    switch (typeof value) {
      case 'string':
        return this.#out.string(value)
      case 'number':
        return this.#out.number(value)
      case 'object':
        return value === null ? this.#out.byte(0xc0) : this.#object(value)
      case 'boolean':
        return this.#out.byte(value ? 0xc3 : 0xc2)
      case 'undefined':
        return this.#out.mark(EXT.UNDEFINED)
      case 'bigint':
        return this.#out.bigint(value)
      default:
        throw new Uncloneable(typeof value === 'symbol' ? 'a symbol' : 'a function')
    }
  }

  // ---- containers

  #enter() {
    if (this.#out.pos > this.#out.end) throw TOO_LARGE
    if (++this.#depth > LIMITS.DEPTH) throw new Uncloneable(`nested deeper than ${LIMITS.DEPTH} levels`)
  }

  // True when this object was met before: then a reference to it is written.
  #isKnown(object) {
    const number = this.#met.numberOf(object)
    if (number < 0) return false
    this.#out.reference(number)
    return true
  }

  #object(value) {
    const prototype = Object.getPrototypeOf(value)
    if (prototype === objectPrototype || prototype === null) {
      if (this.#isKnown(value)) return
      if (this.#isPolluted) this.#instance(value, Object.keys(value))
      else this.#plain(value)
    } else if (prototype === arrayPrototype && Array.isArray(value)) {
      if (!this.#isKnown(value)) this.#array(value)
    } else if (prototype === bufferPrototype && ArrayBuffer.isView(value)) {
      this.#out.buffer(value)
    } else {
      this.#exotic(value)
    }
  }

  // for...in, twice, is by far the fastest way through the properties of an ordinary object.
  #plain(value) {
    this.#enter()
    const shapes = this.#shapes
    let node = shapes.root
    let count = 0
    for (const key in value) {
      const next = node.last
      node = next.key === key ? next : shapes.step(node, key)
      count++
    }
    let id = node.id
    if (id === -1) id = shapes.sighted(node)
    let at
    if (id >= 0) {
      this.#out.shapeHead(id, count + 1)
      try {
        for (at in value) {
          this.#any(value[at])
          count--
        }
      } catch (err) {
        throw under(err, keyStep(at))
      }
    } else {
      this.#out.mapHead(count)
      try {
        for (at in value) {
          this.#out.string(at)
          this.#any(value[at])
          count--
        }
      } catch (err) {
        throw under(err, keyStep(at))
      }
    }
    if (count !== 0) throw changed()
    this.#depth--
  }

  // An object of a class: its own enumerable properties, as structured clone does.
  #instance(value, keys) {
    this.#enter()
    const shapes = this.#shapes
    let node = shapes.root
    for (const key of keys) node = node.last.key === key ? node.last : shapes.step(node, key)
    const id = node.id === -1 ? shapes.sighted(node) : node.id
    if (id >= 0) this.#out.shapeHead(id, keys.length + 1)
    else this.#out.mapHead(keys.length)
    for (const key of keys) {
      if (id < 0) this.#out.string(key)
      this.#property(value, key)
    }
    this.#depth--
  }

  // An extension whose content is MessagePack again.
  #open() {
    this.#enter()
    return this.#out.open()
  }

  #close(type, start, left) {
    if (left !== 0) throw changed()
    this.#out.close(type, start)
    this.#depth--
  }

  #property(object, key) {
    try {
      this.#any(object[key])
    } catch (err) {
      throw under(err, keyStep(key))
    }
  }

  #array(array) {
    this.#enter()
    const count = array.length
    if (count >>> 0 !== count) throw new Uncloneable('an array behind a Proxy that gives no length')
    this.#out.room(count)
    this.#out.arrayHead(count)
    let i = 0
    try {
      for (; i < count; i++) {
        const value = array[i]
        if (value === undefined && !(i in array)) this.#out.mark(EXT.HOLE)
        else this.#any(value)
        if (this.#out.pos > this.#out.end) throw TOO_LARGE
      }
    } catch (err) {
      throw under(err, `[${i}]`)
    }
    this.#depth--
  }

  // ---- everything else that is an object

  #exotic(value) {
    if (Array.isArray(value)) {
      if (!this.#isKnown(value)) this.#array(value)
    } else if (ArrayBuffer.isView(value)) {
      this.#arrayView(value)
    } else if (types.isDate(value)) {
      this.#out.date(dateGetTime.call(value))
    } else if (types.isMap(value)) {
      if (!this.#isKnown(value)) this.#map(value)
    } else if (types.isSet(value)) {
      if (!this.#isKnown(value)) this.#set(value)
    } else if (types.isNativeError(value) || value instanceof Error) {
      if (!this.#isKnown(value)) this.#error(value)
    } else if (types.isRegExp(value)) {
      this.#regexp(value)
    } else if (types.isArrayBuffer(value)) {
      this.#out.memory(KIND_ARRAY_BUFFER, value, 0, value.byteLength)
    } else if (value instanceof URL) {
      this.#out.url(urlHref.call(value))
    } else {
      const keys = Object.keys(value)
      const reason = uncloneable(value, keys)
      if (reason !== null) throw new Uncloneable(reason)
      if (!this.#isKnown(value)) this.#instance(value, keys)
    }
  }

  #arrayView(value) {
    if (value instanceof Buffer) return this.#out.buffer(value)
    // This getter knows a typed array of another realm, or of a subclass, too; a DataView has none.
    const name = viewName.call(value)
    const kind = name === undefined ? KIND_DATA_VIEW : VIEW_KINDS.get(name)
    if (kind === undefined) throw new Uncloneable(article(name))
    this.#out.memory(kind, value.buffer, value.byteOffset, value.byteLength)
  }

  #map(map) {
    const start = this.#open()
    let left = 2 * map.size
    this.#out.arrayHead(left)
    for (const [key, value] of mapEntries.call(map)) {
      try {
        this.#any(key)
      } catch (err) {
        throw under(err, `.keys()[${map.size - left / 2}]`)
      }
      try {
        this.#any(value)
      } catch (err) {
        throw under(err, `.get(${printed(key)})`)
      }
      left -= 2
    }
    this.#close(EXT.MAP, start, left)
  }

  #set(set) {
    const start = this.#open()
    let left = set.size
    this.#out.arrayHead(left)
    for (const value of setValues.call(set)) {
      try {
        this.#any(value)
      } catch (err) {
        throw under(err, `.values()[${set.size - left}]`)
      }
      left--
    }
    this.#close(EXT.SET, start, left)
  }

  #regexp(regexp) {
    const source = regexpSource.call(regexp)
    if (source.length > LIMITS.REGEXP_LEN) {
      throw new Uncloneable(`a RegExp of more than ${LIMITS.REGEXP_LEN} characters`)
    }
    const start = this.#open()
    this.#out.arrayHead(2)
    this.#out.string(source)
    this.#out.string(regexpFlags.call(regexp))
    this.#close(EXT.REGEXP, start, 0)
  }

  #error(error) {
    const className = classNameOf(error)
    const keys = keysOf(error, className)
    const start = this.#open()
    this.#out.arrayHead(4)
    this.#out.string(className)
    this.#out.string(text(error.message))
    this.#out.string(text(error.stack))
    this.#out.mapHead(keys.length)
    for (const key of keys) {
      this.#out.string(key)
      this.#property(error, key)
    }
    this.#close(EXT.ERROR, start, 0)
  }
}

// What a value says of itself by an own property of the same name is not asked for.
function getterOf(prototype, name) {
  return Object.getOwnPropertyDescriptor(prototype, name).get
}

function hasEnumerable(object) {
  for (const _ in object) return true
  return false
}

module.exports = { Encoder }
