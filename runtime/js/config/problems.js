// What is wrong with a configuration, each with the place where it says so.
'use strict'

const PROBLEMS_MAX = 100

class Problems {
  #list = []
  #planned = []
  #deployOnly = []
  #warnings = []
  #locate

  // locate(path): { file, line, column } of a key; without a line for one that is made by code.
  constructor(locate) {
    this.#locate = locate
  }

  #make(path, text, { suggestion, missing, place } = {}) {
    const { file, line = null, column = null } = place ?? this.#locate(path)
    const sentence = suggestion === undefined ? text : `${text}: did you mean ${suggestion}?`
    const key = [...path, ...(missing === undefined ? [] : [missing])].join('.')
    return { file, line, column, key, text: sentence, suggestion: suggestion ?? null }
  }

  add(path, text, options) {
    if (this.#list.length < PROBLEMS_MAX) this.#list.push(this.#make(path, text, options))
  }

  warn(path, text, options) {
    if (this.#warnings.length < PROBLEMS_MAX) this.#warnings.push(this.#make(path, text, options))
  }

  // What nothing carries out: `warren up` does not go on without it.
  plan(path, text) {
    this.#planned.push(this.#make(path, text))
  }

  // A setting that says something about several hosts: `warren up` does without it.
  leaveToDeploy(path) {
    if (this.#deployOnly.length < PROBLEMS_MAX) this.#deployOnly.push(path.join('.'))
  }

  get list() {
    return this.#list
  }
  get warnings() {
    return this.#warnings
  }
  get planned() {
    return this.#planned
  }
  get deployOnly() {
    return this.#deployOnly
  }
}

module.exports = { Problems }
