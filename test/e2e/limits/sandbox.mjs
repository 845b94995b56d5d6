// The sandbox of e2e/agent, for the programs of this folder.
import { fileURLToPath } from 'node:url'
import { Sandbox as Base } from '../agent/harness.mjs'

export const programs = fileURLToPath(new URL('programs', import.meta.url))

export class Sandbox extends Base {
  start(command, args, options) {
    return super.start(command, args, { cwd: programs, ...options })
  }
  // Runs grow.js to its end and gives what `warren ps` says of it then.
  async grow(way, ...args) {
    const run = await this.done(['run', '-d', 'grow.js', way, '--restart', 'never', ...args])
    if (run.code !== 0) throw new Error(run.stderr)
    for (;;) {
      const [node] = await this.nodes()
      if (node.lastExit) return { ...node, said: run.stderr }
    }
  }
}
