// Names and subjects: what is allowed, and their bytes, made once for each.
'use strict'

const { MeshError } = require('./errors.js')

const NAME_LEN_MAX = 255
const TOKENS_MAX = 16
const CACHED_MAX = 4096

// Members of a client that are no methods: `await client` asks for then, JSON.stringify for toJSON, and the rest
// belongs to every object.
const RESERVED_METHODS = new Set(['then', 'toJSON', ...Object.getOwnPropertyNames(Object.prototype)])

// eslint-disable-next-line no-control-regex
const BLANK_OR_CONTROL = /[\u0000-\u0020\u007f]/
// Half a character: it has no UTF-8, so all of them would be one and the same name to the others.
const LONE_SURROGATE = /\p{Surrogate}/u

function problemOfText(text) {
  if (typeof text !== 'string' || text === '') return 'it must be a text'
  if (Buffer.byteLength(text) > NAME_LEN_MAX) return `it is longer than ${NAME_LEN_MAX} bytes`
  if (BLANK_OR_CONTROL.test(text)) return 'it has a blank or a control character in it'
  return LONE_SURROGATE.test(text) ? 'it has half a character (a lone surrogate) in it' : null
}

function problemOfSubject(subject, hasWildcards) {
  const problem = problemOfText(subject)
  if (problem !== null) return problem
  const tokens = subject.split('.')
  if (tokens.length > TOKENS_MAX) return `it has more than ${TOKENS_MAX} tokens`
  for (const [i, token] of tokens.entries()) {
    if (token === '') return 'a token between its dots is empty'
    if (!/[*>]/.test(token)) continue
    if (!hasWildcards) return 'wildcards are for subscriptions'
    if (token.length > 1) return 'a wildcard must be a whole token'
    if (token === '>' && i !== tokens.length - 1) return "'>' must be the last token"
  }
  return null
}

function problemOfMethod(name) {
  if (RESERVED_METHODS.has(name)) return 'it means something to JavaScript itself'
  return problemOfText(name)
}

// A text as its bytes. Their length stands beside them: to ask a typed array for it costs a call.
class Name {
  constructor(bytes) {
    this.bytes = bytes
    this.len = bytes.length
  }

  static of(text) {
    return new Name(Buffer.from(text))
  }

  static join(...names) {
    return new Name(Buffer.concat(names.map(({ bytes }) => bytes)))
  }

  toString() {
    return this.bytes.toString()
  }
}

const NONE = Name.of('')

// Text -> Name, when `problemOf` finds nothing wrong with it.
class Names {
  #known = new Map()
  #problemOf
  #code
  #what

  constructor(problemOf, code, what) {
    this.#problemOf = problemOf
    this.#code = code
    this.#what = what
  }

  of(text) {
    return this.#known.get(text) ?? this.#add(text)
  }

  #add(text) {
    const problem = this.#problemOf(text)
    if (problem !== null) throw new MeshError(this.#code, `bad ${this.#what} ${printed(text)}: ${problem}`)
    if (this.#known.size === CACHED_MAX) this.#known.clear()
    const name = Name.of(text)
    this.#known.set(text, name)
    return name
  }
}

function printed(value) {
  return typeof value === 'string' ? JSON.stringify(value) : `(${typeof value})`
}

const subjects = new Names((text) => problemOfSubject(text, false), 'ERR_WARREN_BAD_SUBJECT', 'subject')
const patterns = new Names((text) => problemOfSubject(text, true), 'ERR_WARREN_BAD_SUBJECT', 'subject')
const names = new Names(problemOfText, 'ERR_WARREN_BAD_NAME', 'name')
const methods = new Names(problemOfMethod, 'ERR_WARREN_BAD_NAME', 'method')

module.exports = { Name, NONE, subjects, patterns, names, methods, RESERVED_METHODS }
