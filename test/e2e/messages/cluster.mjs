// An agent with a directory of its own, and members of its mesh as child processes that run functions for a test.
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const bin = process.env.WARREN_BIN ?? join(here, '../../../build/bin')

export class Member {
  #calls = new Map()
  #next = 0
  constructor(process) {
    this.process = process
    process.on('message', ({ id, result, error }) => {
      const call = this.#calls.get(id)
      if (!call) return
      this.#calls.delete(id)
      error ? call.reject(Object.assign(new Error(error.message), error)) : call.resolve(result)
    })
    process.on('exit', () => { for (const call of this.#calls.values()) call.reject(new Error('the member ended')) })
  }

  /** Runs `work(mesh, keep, ...args)` in the member. It is sent as text: it sees nothing of the test. */
  run(work, ...args) {
    const id = this.#next++
    this.process.send({ id, source: work.toString(), args })
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }))
  }

  async kill(signal = 'SIGKILL') {
    const ended = once(this.process, 'exit')
    this.process.kill(signal)
    return ended
  }
}

export class Cluster {
  #members = []
  dir = mkdtempSync(join(tmpdir(), 'warren-messages-'))

  static async start() {
    const cluster = new Cluster()
    const env = { ...process.env, WARREN_DIR: cluster.dir }
    cluster.agent = spawn(join(bin, 'warren'), ['agent'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    await once(createInterface({ input: cluster.agent.stderr }), 'line') // it says where it listens
    cluster.agent.stderr.resume()
    return cluster
  }

  /** An object at the end is its environment. */
  async warren(...args) {
    const more = typeof args.at(-1) === 'object' ? args.pop() : {}
    const { stdout } = await promisify(execFile)(join(bin, 'warren'), args, { env: { ...process.env, WARREN_DIR: this.dir, ...more } })
    return stdout
  }

  async member(name, env = {}) {
    const child = fork(join(here, 'peer.mjs'), [name], {
      execPath: process.execPath, // warren-node, or the stock Node.js whose package is tested
      env: { ...process.env, WARREN_DIR: this.dir, NODE_OPTIONS: '', ...env },
      serialization: 'advanced',
      execArgv: [],
    })
    this.#members.push(child)
    await once(child, 'message')
    return new Member(child)
  }

  members(...names) {
    return Promise.all(names.map(name => this.member(name)))
  }

  async stop() {
    for (const child of this.#members) child.kill('SIGKILL')
    if (this.agent.exitCode === null && this.agent.signalCode === null) {
      this.agent.kill('SIGTERM')
      await once(this.agent, 'exit')
    }
    // What a killed agent leaves behind (its zygote, its nodes) may write a last file while the directory goes.
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}
