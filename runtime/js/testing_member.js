// A node of a testCluster: does what the process that tests asks for.
'use strict'

const { once } = require('events')
const { Channel } = require('./channel.js')
const { COMMAND } = require('./contract.js')
const { join } = require('./index.js')
const { Name } = require('./names.js')

let mesh = null
let program = null // what only a program can do: {load, evaluate}

async function answer({ join: name, entry, know, hold, isHeld, source, args }) {
  if (name !== undefined) {
    mesh = await join({ name })
    // What a program of the user's does at its start, it has done when this resolves.
    if (entry !== undefined) await program.load(entry)
    return { id: mesh.self.id }
  }
  if (know !== undefined) return knowing(know)
  if (hold !== undefined) return held(hold, isHeld)
  return program.evaluate(`(${source})`)(mesh, ...args)
}

async function knowing(ids) {
  while (!ids.every((id) => id === mesh.self.id || mesh.peers.has(id))) await once(mesh, 'peer:up')
  // What they serve was told before the answer to this.
  const last = mesh.subscribe('testCluster.told', { tags: { requests: 'no' } })
  await last.ready
  last.unsubscribe()
}

function held(id, isHeld) {
  const { outbox } = Channel.current
  outbox.named(COMMAND.HOLD, 0, isHeld ? 1 : 0, Name.of(id))
  outbox.flush()
}

async function handle({ id, ...question }) {
  let reply
  try {
    reply = { id, result: await answer(question) }
  } catch (err) {
    reply = { id, error: described(err) }
  }
  try {
    process.send(reply)
  } catch (err) {
    process.send({ id, error: described(err) }) // the result cannot be sent
  }
}

function described(err) {
  if (!(err instanceof Error)) return { name: 'Error', message: String(err), stack: String(err) }
  const own = {}
  for (const [key, value] of Object.entries(err)) if (['string', 'number', 'boolean'].includes(typeof value)) own[key] = value
  return { name: err.name, message: err.message, stack: err.stack, own }
}

exports.serve = (given) => {
  program = given
  process.on('message', handle)
  process.on('disconnect', () => process.exit())
}
