// What a node does when another takes its place (`warren reload`) or its service stops: it takes nothing new, finishes what
// it has, and tells its agent, which stops it then. Whatever it does not finish in time it loses.
'use strict'

const { performance } = require('perf_hooks')
const { setTimeout: sleep } = require('timers/promises')
const { Share } = require('./share.js')

const LOOK_MS = 20
// Calls still come from those who chose this node before they heard that it serves no more; after so long without one all have.
const QUIET_MS = 200
// Of the time there is, kept for the hooks of onClose.
const HOOKS_PART = 0.2
const HOOKS_MAX_MS = 2000

let isDraining = false

async function drain(channel, timeout) {
  if (isDraining) return
  isDraining = true
  const { RETIRE } = require('./mesh.js')
  const deadline = performance.now() + timeout
  Share.shutAll()
  channel.mesh?.[RETIRE]()
  await finished(channel, deadline - Math.min(timeout * HOOKS_PART, HOOKS_MAX_MS))
  Share.endIdle()
  await channel.mesh?.close({ timeout: Math.max(0, Math.ceil(deadline - performance.now())) })
  channel.retired(Share.connections) // a hook may have ended some
}

// What it had taken is done, or there is no more time for it.
async function finished(channel, deadline) {
  let quietSince = channel.mesh === null ? -Infinity : performance.now()
  let requests = channel.requests
  for (;;) {
    const now = performance.now()
    if (channel.isBusy || channel.requests !== requests) quietSince = now
    requests = channel.requests
    const isDone = now - quietSince >= QUIET_MS && !channel.isBusy && Share.connections === 0
    if (isDone || now >= deadline) return
    await sleep(LOOK_MS)
  }
}

module.exports = { drain }
