// The three ways a program is run: in a node that an agent forks, in a cold warren-node, in stock Node.js. Each gives
// {stdout, stderr, code, signal}, without what differs from process to process.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'

const { WARREN, WARREN_NODE, STOCK_NODE, COMPAT_PACKAGES } = process.env
const PATIENCE_MS = 60_000 // a loaded machine; who hangs is ended and shows what it wrote

const SIGNALS = Object.fromEntries(Object.entries(os.constants.signals).reverse().map(([name, number]) => [number, name])) // SIGABRT, not SIGIOT

async function text(stream) {
  let out = ''
  stream.setEncoding('utf8').on('data', (chunk) => { out += chunk })
  await new Promise((resolve) => stream.on('close', resolve))
  return out
}

/** A directory of its own for one run: its TMPDIR. */
async function inScratch(work) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'compat-'))
  try {
    return clean(await work(dir), dir)
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

// What programs see of our environment: enough to run, nothing that a developer's shell adds.
const environment = (program, dir, home) =>
  ({ PATH: process.env.PATH, HOME: home, WARREN_DIR: home, TMPDIR: dir,
    COMPAT_ADDON: path.join(COMPAT_PACKAGES, 'addon.node'), ...program.env })

// Two things of stack traces are not compared (docs/compatibility.md says why): what called the main module, and by which
// name V8 calls a function of Node's own that has none.
const tidyStack = (out) => out
  .replace(/^( +at ).*?node:internal\/(main\/run_main_module|warren\/boot):\d+:\d+\)?/gm, '$1<main>')
  .replace(/^ *\d+: 0x[0-9a-f]+ .*\n/gm, '') // native frames of abort(): addresses and paths of libraries
  .replace(/^( +at )(?:async )?.*?\(?(node:internal[^)\s]*)\)?/gm, '$1$2')

function clean(result, dir) {
  const tidy = (out) => tidyStack(out.replaceAll(dir, '<tmp>').replaceAll(path.basename(dir), '<tmp>').replaceAll(WARREN_NODE, '<node>').replaceAll(STOCK_NODE, '<node>')
    .replace(/^Debugger ending on .*\n.*\n/gm, '') // or not: two of Node's threads race
    .replace(/ws:\/\/127\.0\.0\.1:\d+\/[-0-9a-f]+/g, 'ws://<port>').replace(/\((node|warren-node):\d+\)/g, '(node:<pid>)').replace(/`(node|warren-node) --trace/g, '`node --trace'))
  return { ...result, stdout: tidy(result.stdout), stderr: tidy(result.stderr) }
}

// Ends who takes too long, and stops waiting for what its children hold open.
function limitTime(child, signal) {
  const timer = setTimeout(() => {
    child.stderr.emit('data', `--- killed: it ran for ${PATIENCE_MS / 1000} s\n`)
    child.kill(signal)
    child.stdout.destroy()
    child.stderr.destroy()
  }, PATIENCE_MS)
  child.on('close', () => clearTimeout(timer))
}

const runPlain = (node) => (program, home) => inScratch(async (dir) => {
  const child = spawn(node, [...program.execArgv, program.file, ...program.args],
    { env: environment(program, dir, home), cwd: path.dirname(program.file) })
  limitTime(child, 'SIGKILL')
  child.stdin.on('error', () => {}) // a program may end before it has read its input
  child.stdin.end(program.stdin)
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, code, signal }
})

export const cold = runPlain(WARREN_NODE)
export const stock = runPlain(STOCK_NODE)

/** An agent in a directory of its own, whose nodes are forked. */
export class Agent {
  #child
  #colds = new Map() // service -> why its node was started cold
  #count = 0

  static async start() {
    const agent = new Agent()
    agent.home = mkdtempSync(path.join(os.tmpdir(), 'compat-home-'))
    const env = { PATH: process.env.PATH, HOME: agent.home, WARREN_DIR: agent.home }
    const child = agent.#child = spawn(WARREN, ['agent'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    await new Promise((resolve, reject) => {
      const look = (line) => {
        if (line.includes('is ready after')) resolve()
        const [, service, reason] = / (\S+)\.0 started \(pid \d+, cold: (.*)\)/.exec(line) ?? []
        if (service) agent.#colds.set(service, reason)
      }
      for (const stream of [child.stdout, child.stderr]) readline.createInterface({ input: stream }).on('line', look)
      child.on('close', (code) => reject(new Error(`the agent ended with code ${code}`)))
    })
    return agent
  }

  run(program) {
    return inScratch(async (dir) => {
      const name = `p${++this.#count}`
      const options = program.execArgv.map((option) => `--node-arg=${option}`)
      const args = ['run', '--json', '--restart', 'never', '--name', name, ...options, program.file]
      const child = spawn(WARREN, [...args, '--', ...program.args],
        { env: environment(program, dir, this.home), cwd: path.dirname(program.file) })
      limitTime(child, 'SIGTERM') // which ends its node too
      child.stdin.on('error', () => {})
      child.stdin.end(program.stdin)
      const result = { stdout: '', stderr: '', code: null, signal: null }
      readline.createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line)
        if (event.type === 'output') result[event.stream] += event.data
        if (event.type !== 'event' || event.state === 'up') return
        if (event.signal) result.signal = SIGNALS[event.signal]
        else result.code = event.code
      })
      const [told] = await Promise.all([text(child.stderr), once(child, 'close')])
      result.stderr += told.replace(/^warren: .*failed \(.*\): not restarted\n/m, '')
      return { ...result, coldReason: this.#colds.get(name) ?? null }
    })
  }

  async stop() {
    const over = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    await over
    rmSync(this.home, { recursive: true, force: true })
  }
}
