// process.send in a node that was run with `--ready message`, for programs written for PM2: `process.send('ready')` tells
// the agent that the program can do its work. Nobody is there for anything else, so anything else fails, and says so; and
// no node that was run otherwise has a process.send, for programs take it for a parent that listens.
'use strict'

const { Channel } = require('./channel.js')

const READY = 'ready'

// By the agent, for this process alone: its children have their own parents.
const VARIABLE = 'WARREN_READY'

function install() {
  const way = process.env[VARIABLE]
  if (way === undefined) return
  delete process.env[VARIABLE]
  if (way !== 'message') return
  process.connected = true
  process.send = send
  process.disconnect = () => {
    process.connected = false
    process.nextTick(() => process.emit('disconnect'))
  }
}

// send(message, sendHandle?, options?, callback?) as in Node: true when it was sent.
function send(message, ...rest) {
  const callback = rest.find((arg) => typeof arg === 'function')
  const err = problemOf(message)
  if (err === undefined) Channel.open({}).ready({ isMessage: true })
  if (callback !== undefined) process.nextTick(callback, err ?? null)
  else if (err !== undefined) process.emitWarning(err)
  return err === undefined
}

function problemOf(message) {
  if (!process.connected) return coded(new Error('Channel closed'), 'ERR_IPC_CHANNEL_CLOSED') // as Node says it
  if (message === READY) return undefined
  return coded(new Error(`the agent of Warren hears nothing but process.send('${READY}')`), 'ERR_WARREN_NO_RESPONDERS')
}

function coded(err, code) {
  return Object.assign(err, { code })
}

module.exports = { install }
