// What a module wants to have run before its service's nodes are forked, so that it is compiled in all of them. Only the
// zygote runs it; anywhere else it is forgotten.
'use strict'

const { badArgument } = require('./errors.js')

const waiting = []
let isZygote = false

/** Registers `work`, which may be async. It is run some times and has to leave nothing behind: no timer, no open socket. */
function warmUp(work) {
  if (typeof work !== 'function') throw badArgument(TypeError, 'warmUp() takes a function')
  if (isZygote) waiting.push(work)
}

function open() {
  isZygote = true
}

function taken() {
  isZygote = false
  return waiting.splice(0)
}

module.exports = { warmUp, open, taken }
