// The sandbox of e2e/agent, for programs of this folder, whose agent is killed and started again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { test as nodeTest } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Sandbox as Base } from '../agent/harness.mjs'

const programs = fileURLToPath(new URL('programs', import.meta.url))

// One that hangs fails in time for its sandbox to be closed.
export const test = (name, body) => nodeTest(name, { timeout: 300_000 }, body)

export class Sandbox extends Base {
  start(command, args, options) {
    return super.start(command, args, { cwd: programs, ...options })
  }
  async ok(args) {
    const end = await this.done(args)
    assert.equal(end.code, 0, end.stderr)
    return end
  }
  // A node that says something is not yet known to its agent, which has its pid from the zygote: one whose agent dies before that
  // ends (docs/agent.md).
  async killAgent(agent) {
    while ((await this.nodes()).some((node) => !node.pid));
    await this.killAtOnce(agent)
  }
  // One that is stopped, or whose launches are all over.
  async killAtOnce(agent) {
    await super.killAgent(agent)
  }
  // Whatever state a test failed in: with an agent that nobody here started, or none.
  async close() {
    await this.done(['agent', '--stop'])
    fs.rmSync(path.join(this.state, 'keeper.sock'), { force: true }) // a keeper that has no agent ends then
    await super.close()
  }
  // Whether somebody listens where the keeper does: a kind of socket that Node.js has not.
  hasKeeper() {
    const sockets = fs.readFileSync('/proc/net/unix', 'utf8')
    return sockets.includes(path.join(this.state, 'keeper.sock'))
  }
  // How long it took until the new agent had them all.
  async adopt() {
    const start = performance.now()
    const agent = await this.agent()
    const nodes = await this.nodes()
    return { agent, nodes, ms: performance.now() - start }
  }
}

// Asks a probe, and waits for its answer.
export async function ask(probe, words) {
  const before = probe.said.length
  probe.socket.write(`${words}\n`)
  while (probe.said.length === before) await once(probe.socket, 'data').then(() => new Promise(setImmediate))
  return probe.said[before]
}
