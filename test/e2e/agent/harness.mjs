// The real binaries in a state directory of their own. Tests wait for what processes write, for their ends, and for probes:
// connections of node programs that the kernel closes when the node is gone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const WARREN = process.env.WARREN
export const POKE = process.env.WARREN_POKE
export const programs = fileURLToPath(new URL('programs', import.meta.url))
const END_PATIENCE_MS = 30_000 // longer than anything that ends as it should
const PATIENCE_MS = 180_000 // a slow machine under sanitizers, with others beside it; what hangs is told with what was seen

// One process and what it wrote so far.
export class Proc {
  #child
  #chunks = { stdout: [], stderr: [] }
  #waiting = new Set()

  constructor(command, args, options) {
    this.#child = spawn(command, args, options)
    this.pid = this.#child.pid
    this.stdin = this.#child.stdin
    for (const name of ['stdout', 'stderr'])
      this.#child[name]?.on('data', (chunk) => {
        this.#chunks[name].push(chunk)
        this.#look()
      })
    const end = (code, signal, stderr) => {
      this.isOver = true
      this.#look()
      return { code, signal, stdout: this.text('stdout'), stderr }
    }
    this.ended = once(this.#child, 'close').then(
      ([code, signal]) => end(code, signal, this.text('stderr')),
      (err) => end(null, null, err.message)) // it could not even be started
  }

  bytes(name) {
    return Buffer.concat(this.#chunks[name])
  }
  text(name) {
    return this.bytes(name).toString()
  }
  get output() {
    return this.text('stdout') + this.text('stderr')
  }
  get streams() {
    return this.#child
  }

  #look() {
    for (const check of this.#waiting) check()
  }

  // The first match of `pattern` in what it wrote from position `from` on.
  until(pattern, from = 0, patience_ms = PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        settle(value)
      }
      const fail = (why) => finish(reject, new Error(`${why} before ${pattern}:\n${this.output}`))
      const check = () => {
        const match = this.output.slice(from).match(pattern)
        if (match) finish(resolve, match)
        else if (this.isOver) fail('it ended')
      }
      const timer = setTimeout(() => fail('time ran out'), patience_ms)
      this.#waiting.add(check)
      check()
    })
  }

  kill(signal) {
    process.kill(this.pid, signal)
  }
  // The same for one that may have ended already, untold.
  end(signal = 'SIGTERM') {
    try {
      this.kill(signal)
    } catch (err) {
      if (err.code !== 'ESRCH') throw err
    }
  }
}

// What does not end when it is asked to; others may hold its output open.
function abandon(proc) {
  proc.end('SIGKILL')
  for (const stream of [proc.streams.stdout, proc.streams.stderr]) stream?.destroy()
}

// Nodes that run programs/probe.js connect here; what they say is JSON lines.
class Probes {
  #server = net.createServer((socket) => this.#take(socket))
  #all = []
  #arrived = []
  #waiting = []

  async open(file) {
    this.path = file
    this.#server.listen(file)
    await once(this.#server, 'listening')
  }
  #take(socket) {
    const probe = { socket, said: [] }
    this.#all.push(probe)
    probe.gone = new Promise((resolve) => socket.on('close', resolve).on('error', () => {}))
    let rest = ''
    socket.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        const first = probe.pid === undefined
        if (first) Object.assign(probe, JSON.parse(line))
        else probe.said.push(JSON.parse(line))
        if (!first) continue
        const waiter = this.#waiting.shift()
        if (waiter) waiter(probe)
        else this.#arrived.push(probe)
      }
    })
  }
  // The next node that comes up.
  async next() {
    if (this.#arrived.length > 0) return this.#arrived.shift()
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no node came up')), PATIENCE_MS)
    })
    try {
      return await Promise.race([new Promise((resolve) => this.#waiting.push(resolve)), late])
    } finally {
      clearTimeout(timer)
    }
  }
  take(count) {
    return Promise.all(Array.from({ length: count }, () => this.next()))
  }
  // Those that are there.
  kill() {
    for (const { pid, socket } of this.#all)
      if (pid !== undefined && !socket.destroyed) process.kill(pid, 'SIGKILL')
  }
  close() {
    this.#server.close()
  }
}

export class Sandbox {
  #procs = []
  program = WARREN

  static async open(t) {
    const box = new this()
    box.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'warren-agent-'))
    box.state = path.join(box.dir, 'state')
    box.env = {
      PATH: process.env.PATH, HOME: box.dir, WARREN_DIR: box.state, WARREN_NODE: process.env.WARREN_NODE,
      ...(process.env.ASAN_OPTIONS && { ASAN_OPTIONS: process.env.ASAN_OPTIONS }),
    }
    box.probes = new Probes()
    await box.probes.open(path.join(box.dir, 'probe.sock'))
    box.env.PROBE = box.probes.path
    t.after(() => box.close())
    return box
  }

  // Starts `warren ARGS`.
  warren(args, options = {}) {
    return this.start(this.program, args, options)
  }
  start(command, args, { env, ...options } = {}) {
    if (this.isClosed) throw new Error('the test is over') // one that ran out of time goes on
    const proc = new Proc(command, args, { cwd: programs, ...options, env: { ...this.env, ...env } })
    this.#procs.push(proc)
    return proc
  }
  // The same, to its end.
  async done(args, options) {
    const proc = this.warren(args, options)
    proc.stdin?.end()
    return await proc.ended
  }
  agentArgs = []
  async agent(options) {
    const agent = this.warren(['agent', ...this.agentArgs], options)
    await agent.until(/listens on/)
    return agent
  }
  async nodes() {
    const { code, stdout, stderr } = await this.done(['ps', '--json'])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout).nodes
  }
  // The agent's pid, as its lock file says.
  agentPid() {
    return parseInt(fs.readFileSync(path.join(this.state, 'agent.lock'), 'utf8'), 10)
  }
  agentLog() {
    return fs.readFileSync(path.join(this.state, 'agent.log'), 'utf8')
  }
  async killAgent(agent) {
    const exit = once(agent.streams, 'exit') // what it leaves behind writes to the same stderr, and lives on
    agent.kill('SIGKILL')
    await exit
  }

  async close() {
    this.isClosed = true
    for (const proc of this.#procs) {
      proc.streams.stdout?.resume() // a test that failed may have left it paused
      if (!proc.isOver) proc.end()
    }
    const late = setTimeout(() => {
      this.probes.kill()
      for (const proc of this.#procs) if (!proc.isOver) abandon(proc)
    }, END_PATIENCE_MS)
    await Promise.all(this.#procs.map((proc) => proc.ended))
    clearTimeout(late)
    this.probes.close()
    fs.rmSync(this.dir, { recursive: true, force: true })
  }
}

// Lines of output without their order: nodes write when they like.
export const sorted = (text) => text.trimEnd().split('\n').sort()
