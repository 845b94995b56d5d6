// The native half, loaded at first use: programs that never join, and the zygote, do without it.
'use strict'

let binding = null

function native() {
  binding ??= linked() ?? require('./warren.node')
  return binding
}

// In warren-node it is part of the program.
function linked() {
  try {
    return process._linkedBinding('warren')
  } catch {
    return null
  }
}

module.exports = { native }
