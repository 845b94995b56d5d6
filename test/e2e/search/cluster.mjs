// The search, run for a test: an agent with a directory of its own, nodes, and the events of the mesh.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../ports.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../../..')
export const bin = process.env.WARREN_BIN ?? join(root, 'build/bin')
export const search = join(root, 'examples/search')

export const DEADLINE_MS = 2000

export class Cluster {
  #env
  #agent
  #watch
  #events = []
  #agentLog = []
  #end = null
  #wake = () => {}
  #dir = mkdtempSync(join(tmpdir(), 'search-e2e-'))

  static async start() {
    const cluster = new Cluster()
    cluster.#env = { ...process.env, WARREN_DIR: cluster.#dir }
    try {
      await cluster.#startAgent()
      await cluster.#startWatch()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  // Shards and fronts are up before the coordinator begins, so that every shard gets a part.
  async launchSearch({ shards, fronts = 1, directories }) {
    this.port = await freePort()
    await this.run('shard', shards)
    for (let i = 0; i < shards; i++) await this.next('up.shard')
    await this.run('front', fronts, '--port', this.port, '--deadline', DEADLINE_MS)
    for (let i = 0; i < fronts; i++) await this.next('up.front')
    await this.run('coordinator', 1, ...directories)
    return this.next('search.ready')
  }

  run(name, instances, ...args) {
    return this.warren('run', '-d', '--name', name, '-i', instances, join(search, `${name}.mjs`), '--', ...args)
  }

  async warren(...args) {
    const { stdout } = await promisify(execFile)(join(bin, 'warren'), args.map(String), { env: this.#env })
    return stdout
  }

  // Takes the next event on this subject, and all before it, waiting for it when there is none yet.
  async next(subject) {
    for (;;) {
      const at = this.#events.findIndex(event => event.subject === subject)
      if (at >= 0) return this.#events.splice(0, at + 1).at(-1).data
      if (this.#end) throw this.#end
      await new Promise(resolve => { this.#wake = resolve })
    }
  }

  async get(path) {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers: { connection: 'close' } })
    return { code: response.status, front: response.headers.get('x-front'), body: await response.json() }
  }

  // All documents with any of the words, best first.
  async find(words) {
    const { body } = await this.get(`/search?${new URLSearchParams({ q: words, k: 1000 })}`)
    return body
  }

  // The first answer that is not partial: a front may hear of a new shard a moment after the coordinator did.
  async findAll(words) {
    for (;;) {
      const answer = await this.find(words)
      if (answer.partial === false) return answer
    }
  }

  async stop() {
    this.#watch?.kill('SIGKILL')
    if (this.#agent?.exitCode === null) {
      await this.warren('stop', 'all').catch(() => {})
      this.#agent.kill('SIGTERM')
      await once(this.#agent, 'exit')
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #startAgent() {
    this.#agent = spawn(join(bin, 'warren'), ['agent'], { env: this.#env, stdio: ['ignore', 'ignore', 'pipe'] })
    createInterface({ input: this.#agent.stderr }).on('line', line => {
      this.#agentLog.push(line)
      if (/ listens on /.test(line)) this.#take({ subject: 'listening' })
    })
    this.#agent.on('close', () => {
      this.#end = new Error(`the agent ended: ${this.#agentLog.slice(-20).join('\n')}`)
      this.#wake()
    })
    await this.next('listening')
  }

  async #startWatch() {
    const args = [join(here, 'watch.mjs')]
    this.#watch = spawn(join(bin, 'warren-node'), args, { env: this.#env, stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.#watch.stdout }).on('line', line => this.#take(JSON.parse(line)))
    await this.next('watching')
  }

  #take(event) {
    this.#events.push(event)
    this.#wake()
  }
}

