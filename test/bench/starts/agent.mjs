// An agent of its own for a measurement, and commands to it.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const BIN = process.env.WARREN_BIN ?? fileURLToPath(new URL('../../../build/bin', import.meta.url))
const WARREN = path.join(BIN, 'warren')
export const WARREN_NODE = path.join(BIN, 'warren-node')
export const STOCK_NODE = process.env.STOCK_NODE ?? '/usr/local/lib/warren/nodes/18/bin/node'

export class Agent {
  log = ''
  warrenPath = WARREN

  static async start(env = {}) {
    const agent = new Agent()
    agent.dir = mkdtempSync(path.join(os.tmpdir(), 'warren-starts-'))
    agent.env = { PATH: process.env.PATH, HOME: agent.dir, WARREN_DIR: agent.dir, WARREN_NODE, ...env }
    agent.child = spawn(WARREN, ['agent'], { env: agent.env, stdio: ['ignore', 'pipe', 'pipe'] })
    agent.ended = once(agent.child, 'close')
    await new Promise((resolve, reject) => {
      agent.ended.then(() => reject(new Error(`the agent has ended:\n${agent.log}`)), reject)
      for (const stream of [agent.child.stdout, agent.child.stderr]) {
        stream.on('data', (text) => {
          agent.log += text
          if (/warren-node \(pid \d+\) is ready/.test(agent.log)) resolve()
        })
      }
    })
    return agent
  }

  /** `warren run ...args` to its end. */
  run(...args) {
    return this.warren('run', ...args)
  }
  warren(...args) {
    return promisify(execFile)(WARREN, args, { env: this.env, maxBuffer: 1 << 26 })
  }

  async end() {
    this.child.kill('SIGTERM')
    await this.ended
    rmSync(this.dir, { recursive: true, force: true })
  }
}
