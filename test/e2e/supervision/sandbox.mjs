// The sandbox of e2e/agent, for programs of this folder, with what a `run --json` told.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { Sandbox as Base } from '../agent/harness.mjs'

const programs = fileURLToPath(new URL('programs', import.meta.url))

export class Sandbox extends Base {
  // Programs are those of this folder.
  start(command, args, options) {
    return super.start(command, args, { cwd: programs, ...options })
  }
  // To its end, which is a good one.
  async ok(args) {
    const end = await this.done(args)
    assert.equal(end.code, 0, end.stderr)
    return end
  }
  // Runs with --json: the events come as they are told.
  run(args, options) {
    const proc = this.warren(['run', '--json', ...args], options)
    proc.event = async (node, state) => {
      const [line] = await proc.until(new RegExp(`^.*"event","node":"${node}","state":"${state}".*$`, 'm'))
      return JSON.parse(line)
    }
    return proc
  }
  async node(name) {
    return (await this.nodes()).find((node) => node.name === name)
  }
}

// Asks a program (programs/sign.js) for something, and waits for what became of it.
export async function ask(probe, sign) {
  const before = probe.said.length
  probe.socket.write(`${sign}\n`)
  while (probe.said.length === before) await once(probe.socket, 'data').then(() => new Promise(setImmediate))
  return probe.said[before]
}

