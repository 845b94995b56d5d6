// The package `warren`. index.d.ts says what it offers.
'use strict'

const { Channel } = require('./channel.js')
const { LIMIT } = require('./contract.js')
const { MeshError, badArgument } = require('./errors.js')
const { Mesh } = require('./mesh.js')
const { names } = require('./names.js')
const { TAKES, takenBy } = require('./options.js')
const { warmUp } = require('./warm_up.js')

const AGENT_PATH_LEN_MAX = 107 // of a unix socket

let joining = null

async function join(options) {
  const checked = check(takenBy(TAKES.JOIN, options))
  joining ??= enter(checked)
  let mesh
  try {
    mesh = await joining
  } catch (err) {
    joining = null // an agent may be there the next time
    throw err
  }
  if (mesh.state !== 'open') throw new MeshError('ERR_WARREN_CLOSED', 'this process has left the mesh')
  return mesh
}

function check({ name, agentPath, maxMessage }) {
  if (name !== undefined) names.of(name)
  if (agentPath !== undefined && (typeof agentPath !== 'string' || Buffer.byteLength(agentPath) > AGENT_PATH_LEN_MAX)) {
    throw badArgument(RangeError, `agentPath must be a path of at most ${AGENT_PATH_LEN_MAX} bytes`)
  }
  checkMaxMessage(maxMessage)
  return { name, agentPath, maxMessage }
}

function checkMaxMessage(len = LIMIT.MESSAGE_LEN_DEFAULT) {
  const { MESSAGE_LEN_MIN: min, MESSAGE_LEN_MAX: max } = LIMIT
  if (Number.isInteger(len) && len >= min && len <= max) return
  throw badArgument(RangeError, `maxMessage must be a whole number from ${min} to ${max}`)
}

async function enter({ name, agentPath, maxMessage }) {
  const channel = Channel.open({ name, agentPath, maxMessage })
  if (maxMessage !== undefined && maxMessage !== channel.maxMessage) {
    throw badArgument(RangeError, 'maxMessage must be chosen before a server of this process listens: join first')
  }
  const mesh = new Mesh(channel)
  await channel.join()
  return mesh
}

// Loaded by those who test alone.
function testCluster(count, options) {
  return require('./testing.js').testCluster(count, options)
}

// For editors, which then know what a warren.config.mjs may say.
function defineConfig(config) {
  return config
}

module.exports = { join, MeshError, testCluster, warmUp, defineConfig }
