// Whether this node is well, as its agent asks (docs/supervision.md, Health): its own HTTP server, its own handler of a
// method. Nothing leaves the process, so it is this instance that answers and no other one.
'use strict'

const { performance } = require('perf_hooks')
const { Channel } = require('./channel.js')
const { COMMAND } = require('./contract.js')
const { HttpServers } = require('./health_http.js')
const { Name } = require('./names.js')

// By the agent, for this process alone.
const VARIABLE = 'WARREN_HEALTH'

const WHY_LEN_MAX = 197 // and half a character's U+FFFD

// A program that does nothing with Warren hears its agent from then on. Not at once: one that joins may choose how large
// its messages are (index.js).
const OPEN_MS = 1500

let servers = null
let isAsking = false
let last = 0 // the number of the last question

// Before the program.
function install() {
  if (process.env[VARIABLE] === undefined) return
  delete process.env[VARIABLE]
  servers = new HttpServers(open)
  setTimeout(open, OPEN_MS).unref()
}

function open() {
  try {
    Channel.open({})
  } catch {
    // without an agent nobody asks
  }
}

// Of several questions that have come while the loop stood still only the last one still wants an answer.
async function check(channel, { number, timeout, http, call }) {
  last = number
  if (isAsking) return
  isAsking = true
  const asked = []
  if (http !== '') asked.push(within(timeout, `GET ${http}`, () => askServer(http, timeout)))
  if (call !== '') asked.push(within(timeout, call, () => askHandler(channel, call, timeout)))
  const why = (await Promise.all(asked)).find((text) => text !== undefined)
  isAsking = false
  channel.outbox.named(COMMAND.CHECKED, last, why === undefined ? 1 : 0, Name.of(cut(why ?? '')))
  channel.outbox.flush()
}

// undefined, or why not: what `ask` says, what it throws, or that it takes too long.
async function within(timeout, what, ask) {
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, timeout, `${what}: no answer within ${timeout} ms`)
  })
  try {
    return await Promise.race([ask(), late])
  } catch (err) {
    return `${what} failed: ${messageOf(err)}`
  } finally {
    clearTimeout(timer)
  }
}

async function askServer(where, timeout) {
  const [, port, path] = /^(?::(\d+))?(.*)$/.exec(where)
  const server = servers?.find(port === undefined ? undefined : Number(port))
  if (server === undefined) return `health.http: this program has no HTTP server that listens${port === undefined ? '' : ` on port ${port}`}`
  const status = await server.status(path, timeout)
  return status >= 200 && status < 400 ? undefined : `GET ${where} answered ${status}`
}

async function askHandler(channel, call, timeout) {
  const dot = call.lastIndexOf('.')
  const [name, method] = [call.slice(0, dot), call.slice(dot + 1)]
  const service = [...channel.endpoints.values()].find((endpoint) => endpoint.isChosen && endpoint.name === name)
  if (service === undefined && channel.standing.has(name)) return undefined // it stands by, and has nobody to answer
  if (service === undefined) return `health.call: this node does not serve ${name}`
  if (!service.has(method)) return `health.call: ${name} has no method ${method}`
  await service.ask(method, performance.now() + timeout)
  return undefined
}

function messageOf(err) {
  if (!(err instanceof Error)) return String(err)
  return `${err.name}: ${err.message.split('\n', 1)[0]}`
}

function cut(text) {
  const bytes = Buffer.from(text)
  return bytes.length <= WHY_LEN_MAX ? text : bytes.subarray(0, WHY_LEN_MAX).toString()
}

module.exports = { check, install }
