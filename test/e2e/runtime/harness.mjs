// Drives warren-node for tests: as a command, and as nodes of a zygote (through launch.c).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import readline from 'node:readline'

export const warrenNode = process.env.WARREN_NODE
export const launcher = process.env.WARREN_LAUNCH
const here = path.dirname(fileURLToPath(import.meta.url))
export const program = (name) => path.join(here, 'programs', name)

// What programs see of our environment: enough to run, nothing that a developer's shell adds.
export const baseEnv = { PATH: process.env.PATH, HOME: process.env.HOME ?? '/root' }

async function text(stream) {
  let out = ''
  for await (const chunk of stream.setEncoding('utf8')) out += chunk
  return out
}

/** Runs `warren-node ...args` to its end. */
export async function run(args, { env = {}, cwd = here, stdin = '', command = warrenNode, onStart } = {}) {
  const child = spawn(command, args, { env: { ...baseEnv, ...env }, cwd })
  child.stdin.on('error', () => {}) // a program may end before it has read its input
  child.stdin.end(stdin)
  onStart?.(child)
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, code, signal, pid: child.pid }
}

const SIGNALS = { 6: 'SIGABRT', 9: 'SIGKILL', 11: 'SIGSEGV', 15: 'SIGTERM', 2: 'SIGINT', 10: 'SIGUSR1' }

class Node {
  stdout = ''
  stderr = ''
  #settle = {}
  #watchers = new Set()
  launched = new Promise((resolve) => { this.#settle.launched = resolve })
  exited = new Promise((resolve) => { this.#settle.exited = resolve })
  gone = new Promise((resolve) => { this.#settle.gone = resolve })
  stopped = new Promise((resolve) => { this.#settle.stopped = resolve })
  #closed = 0
  ended = new Promise((resolve) => { this.#settle.closed = resolve }) // all output has been read

  take(event) {
    if (event.event === 'launched') {
      this.pid = event.pid
      this.coldReason = event.coldReason
      this.error = event.error
      this.#settle.launched(this)
    } else if (event.event === 'output') {
      this[event.fd === 1 ? 'stdout' : 'stderr'] += event.data
      for (const watcher of this.#watchers) watcher()
    } else if (event.event === 'closed' && ++this.#closed === 2) {
      this.#settle.closed()
    } else if (event.event === 'exited') {
      this.code = event.signal ? null : event.code
      this.signal = event.signal ? SIGNALS[event.signal] ?? event.signal : null
      this.#settle.exited(this)
    } else if (event.event === 'stopped') {
      this.#settle.stopped(this)
    } else if (event.event === 'gone') {
      this.#settle.gone(this)
    }
  }

  /** Resolves when the node has printed `wanted`, and is known: its first words may overtake the zygote's. */
  async prints(wanted, stream = 'stdout') {
    await this.launched
    return new Promise((resolve) => {
      const watcher = () => {
        if (!this[stream].includes(wanted)) return
        this.#watchers.delete(watcher)
        resolve(this)
      }
      this.#watchers.add(watcher)
      watcher()
    })
  }
}

/** A zygote with a launcher in the agent's place. */
export class Zygote {
  #launcher
  #nodes = new Map()
  #nextId = 1
  #settleGone
  gone = new Promise((resolve) => { this.#settleGone = resolve })

  // `command`: the launcher and its zygote, started by something else.
  static async boot({ env = {}, command = [launcher, warrenNode] } = {}) {
    const zygote = new Zygote()
    const child = spawn(command[0], command.slice(1), { env: { ...baseEnv, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
    zygote.#launcher = child
    zygote.over = once(child, 'close')
    const booted = new Promise((resolve) => {
      readline.createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line)
        if (event.event === 'booted') resolve(event)
        else if (event.event === 'zygoteGone') zygote.#settleGone()
        else zygote.#nodes.get(event.id)?.take(event)
      })
    })
    const event = await Promise.race([booted, zygote.gone, zygote.over])
    if (event?.event !== 'booted') {
      child.kill()
      throw new Error('the zygote did not boot')
    }
    return Object.assign(zygote, { pid: event.pid, bootMs: event.ms })
  }

  launch(argv, { env = {}, execArgv = [], cwd = here, title = 'node-under-test', stdin = '' } = {}) {
    const node = new Node()
    const id = this.#nextId++
    this.#nodes.set(id, node)
    const all = Object.entries({ ...baseEnv, ...env }).map(([name, value]) => `${name}=${value}`)
    this.#send({ launch: id, argv, env: all, execArgv, cwd, title, stdin })
    return node
  }

  /** Launches and waits for the end; the same shape as run(). */
  async run(argv, options) {
    const node = this.launch(argv, options)
    await node.launched
    if (node.error) return node
    await Promise.all([node.exited, node.ended])
    return node
  }

  cut(what) { this.#send({ cut: what }) }
  #send(request) { this.#launcher.stdin.write(JSON.stringify(request) + '\n') }

  async close() {
    this.#launcher.stdin.end()
    await this.over
  }
}
