// testCluster(): an agent and nodes of its own for a user's tests. The nodes are processes, their messages the real ones.
'use strict'

const { spawn } = require('child_process')
const { once } = require('events')
const { mkdtemp, rm } = require('fs/promises')
const { tmpdir } = require('os')
const path = require('path')
const { createInterface } = require('readline')
const { pathToFileURL } = require('url')
const { asyncDispose } = require('./dispose.js')
const { MeshError, badArgument } = require('./errors.js')
const { TAKES, takenBy } = require('./options.js')

const NODES_MAX = 64
const AGENT_GRACE_MS = 5000
const RUNS_MAX = 1024 // of one node, that have not come back
const MEMBER_WORD = 'member' // instead of a count: testing_member.js
// Ends all that is left when the process that tests is gone, however it went: then the pipe to this one closes. It is told
// of processes by `+ PID` and `- PID`.
const GUARD = `
trap '' HUP INT TERM
all=' '
while read -r sign pid; do
  case $sign in
    +) all="$all$pid " ;;
    -) all="\${all%% $pid *} \${all#* $pid }" ;;
  esac
done
kill -KILL $all 2>/dev/null
rm -rf "$1"
`

// In warren-node the package is built in; elsewhere it is this directory.
const isBuiltIn = typeof __dirname === 'undefined'
const PACKAGE = isBuiltIn ? 'warren' : __dirname

// The program `warren` beside the warren-node that runs this, or on the PATH.
function programOf(given) {
  return given ?? process.env.WARREN_PROGRAM ?? (isBuiltIn ? path.join(path.dirname(process.execPath), 'warren') : 'warren')
}

class Node {
  #child
  #cluster
  #calls = new Map()
  #last = 0
  id = ''
  isPaused = false

  constructor(cluster, name, child) {
    this.#cluster = cluster
    this.#child = child
    this.name = name
    this.pid = child.pid
    child.on('message', (message) => this.#take(message))
    this.exited = once(child, 'exit').then(([code, signal]) => {
      const { id, name } = this
      for (const { reject } of this.#calls.values()) reject(new MeshError('ERR_WARREN_PEER_LOST', `${name} has ended`, { delivered: 'maybe' }))
      this.#calls.clear()
      return { id, name, code, signal }
    })
  }

  // Is sent as text: it sees its arguments, the mesh first, and what the node itself can import.
  run(work, ...args) {
    return this.ask({ source: String(work), args })
  }

  ask(question) {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.connected) {
      return Promise.reject(new MeshError('ERR_WARREN_PEER_LOST', `${this.name} has ended`))
    }
    if (this.#calls.size === RUNS_MAX) {
      return Promise.reject(new MeshError('ERR_WARREN_OVERLOADED', `${this.name}: ${RUNS_MAX} calls of run() have not come back`))
    }
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#child.channel.ref() // a test that waits for this stays alive
      this.#child.send({ id, ...question }, (err) => err && this.#settle(id, 'reject', err))
    })
  }

  #take({ id, error, ...answer }) {
    if (error === undefined) this.#settle(id, 'resolve', answer.result)
    else this.#settle(id, 'reject', errorOf(error, this.name))
  }

  #settle(id, how, value) {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (this.#calls.size === 0) this.#child.channel?.unref()
    call?.[how](value)
  }

  signal(name) {
    return this.#child.kill(name)
  }

  // Its loop stands still, as if the machine had no time for it.
  pause() {
    this.isPaused = this.signal('SIGSTOP')
  }

  resume() {
    this.signal('SIGCONT')
    this.isPaused = false
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async kill(signal = 'SIGKILL') {
    this.#child.ref() // for who waits
    this.signal(signal)
    return this.exited
  }

  get mesh() {
    throw new TypeError('a node of a testCluster is another process: node.run((mesh) => ...) works with its mesh')
  }

  [asyncDispose]() {
    return this.#cluster.remove(this)
  }
}

// As it was thrown there, with a stack that says where, too.
function errorOf({ name, message, stack, cause, own }, node) {
  const base = [TypeError, RangeError, SyntaxError, ReferenceError].find((each) => each.name === name) ?? Error
  const error = Object.assign(new base(message, cause === undefined ? undefined : { cause }), own)
  error.stack = `${stack}\n    in node ${node}`
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return error
}

class TestCluster {
  #options
  #agent
  #guard
  #closing = null
  #made = 0
  #cuts = [] // pairs of nodes
  nodes = []
  dir = ''

  static async start(count, options) {
    const cluster = new TestCluster()
    cluster.#options = options
    try {
      await cluster.#startAgent()
      await cluster.add(count)
    } catch (err) {
      await cluster.close()
      throw err
    }
    return cluster
  }

  get env() {
    return { ...process.env, ...this.#options.env, WARREN_DIR: this.dir }
  }

  async #startAgent() {
    this.dir = await mkdtemp(path.join(tmpdir(), 'warren-test-'))
    this.#guard = spawn('/bin/sh', ['-c', GUARD, 'sh', this.dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    this.#guard.stdin.on('error', () => {}).unref()
    this.#guard.unref()
    const program = programOf(this.#options.warren)
    // A group of its own: Ctrl-C is for the test.
    const agent = this.#agent = spawn(program, ['agent'], { env: this.env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
    const failed = once(agent, 'error').then(([cause]) => {
      const text = `${program} cannot be started (${cause.code}): testCluster needs the program warren on the PATH, or as {warren: path}`
      throw new MeshError('ERR_WARREN_NO_AGENT', text, { cause })
    })
    const lines = createInterface({ input: agent.stderr })
    const [line] = await Promise.race([once(lines, 'line'), failed, once(agent, 'exit').then(() => ['it ended at once'])])
    failed.catch(() => {})
    if (agent.exitCode !== null) throw new MeshError('ERR_WARREN_NO_AGENT', `the agent of the testCluster: ${line}`)
    this.#watch(agent)
    lines.on('line', () => {})
    agent.unref()
    agent.stderr.unref()
  }

  #watch(child) {
    this.#guard.stdin.write(`+ ${child.pid}\n`)
    child.once('exit', () => this.#guard.stdin.write(`- ${child.pid}\n`))
  }

  // Resolves when all nodes know each other.
  async add(count = 1) {
    if (!Number.isInteger(count) || count < 0 || this.nodes.length + count > NODES_MAX) {
      throw badArgument(RangeError, `a testCluster has at most ${NODES_MAX} nodes`)
    }
    const added = Array.from({ length: count }, () => this.#spawn())
    this.nodes.push(...added)
    const { entry } = this.#options
    const url = entry === undefined ? undefined : entry instanceof URL ? entry.href : pathToFileURL(path.resolve(entry)).href
    await Promise.all(added.map(async (node) => Object.assign(node, await node.ask({ join: node.name, entry: url }))))
    const ids = this.nodes.filter((node) => node.isRunning).map(({ id }) => id)
    await Promise.all(this.nodes.filter((node) => node.isRunning && !node.isPaused).map((node) => node.ask({ know: ids })))
    return added
  }

  #spawn() {
    const name = `n${this.#made++}`
    // import() and eval() as a program has them: in modules that are built in they are not.
    const program = '{ load: (url) => import(url), evaluate: (text) => (0, eval)(text) }'
    const code = `require(${JSON.stringify(PACKAGE)}).testCluster(${JSON.stringify(MEMBER_WORD)}, ${program})`
    const child = spawn(process.execPath, [...(this.#options.execArgv ?? []), '-e', code], {
      cwd: this.#options.cwd,
      env: { ...this.env, NODE_TEST_CONTEXT: '' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#watch(child)
    child.unref()
    child.channel.unref()
    return new Node(this, name, child)
  }

  async remove(node) {
    await node.kill()
    this.nodes = this.nodes.filter((other) => other !== node)
  }

  // ---- faults

  // Nothing passes between a and b (nodes, or lists of them) any more, and nobody is told.
  async partition(a, b) {
    return this.#cut(pairsOf(a, b), true)
  }

  // Between these, or all that was cut.
  async heal(a, b) {
    return this.#cut(a === undefined ? this.#cuts : pairsOf(a, b), false)
  }

  async #cut(pairs, isHeld) {
    const known = (pair) => this.#cuts.find(([a, b]) => pair.includes(a) && pair.includes(b))
    if (isHeld) this.#cuts.push(...pairs.filter((pair) => known(pair) === undefined))
    else this.#cuts = this.#cuts.filter((cut) => !pairs.some((pair) => pair.includes(cut[0]) && pair.includes(cut[1])))
    const told = pairs.flatMap(([a, b]) => [[a, b], [b, a]])
    // One that is stopped or gone hears of it later, or never; its other half is enough.
    await Promise.all(told.map(([node, peer]) => {
      const done = node.ask({ hold: peer.id, isHeld }).catch((err) => { if (err.code !== 'ERR_WARREN_PEER_LOST') throw err })
      return node.isPaused ? undefined : done
    }))
  }

  pause(node) {
    node.pause()
  }

  resume(node) {
    node.resume()
  }

  kill(node, signal) {
    return node.kill(signal)
  }

  // ---- the end

  close() {
    return (this.#closing ??= this.#close())
  }

  async #close() {
    await Promise.all(this.nodes.map((node) => node.kill()))
    const agent = this.#agent
    if (agent?.pid !== undefined && agent.exitCode === null && agent.signalCode === null) {
      agent.ref()
      const ended = once(agent, 'exit')
      agent.kill() // it takes along what it has started itself
      const timer = setTimeout(() => agent.kill('SIGKILL'), AGENT_GRACE_MS)
      await ended
      clearTimeout(timer)
    }
    this.#guard?.stdin.end()
    if (this.dir !== '') await rm(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }

  [asyncDispose]() {
    return this.close()
  }
}

function pairsOf(a, b) {
  const pairs = [a].flat().flatMap((one) => [b].flat().map((other) => [one, other]))
  for (const pair of pairs) {
    if (pair[0] === pair[1] || !pair.every((node) => node instanceof Node)) throw badArgument(TypeError, 'between two different nodes of the testCluster')
  }
  return pairs
}

function checked(options) {
  const given = takenBy(TAKES.TEST_CLUSTER, options)
  const { entry, env, cwd, execArgv, warren } = given
  for (const [name, value] of Object.entries({ entry: entry instanceof URL ? undefined : entry, cwd, warren })) {
    if (value !== undefined && typeof value !== 'string') throw badArgument(TypeError, `${name} must be a text`)
  }
  if (env !== undefined && (typeof env !== 'object' || env === null)) throw badArgument(TypeError, 'env must be an object of texts')
  if (execArgv !== undefined && !Array.isArray(execArgv)) throw badArgument(TypeError, 'execArgv must be a list of texts')
  return given
}

async function testCluster(count = 3, options = undefined) {
  if (count === MEMBER_WORD) return require('./testing_member.js').serve(options)
  return TestCluster.start(count, checked(options))
}

module.exports = { testCluster }
