// The native half, loaded at first use: programs that never join, and the zygote, do without it. In warren-node it is
// part of the program; the npm package has its own version of this file (runtime/addon/package).
'use strict'

let binding = null

function native() {
  binding ??= process._linkedBinding('warren')
  return binding
}

module.exports = { native }
