// The sandbox of e2e/up, with programs of this folder, and nodes that are told how well they are.
import { once } from 'node:events'
import fs from 'node:fs'
import { Sandbox as Base } from '../up/sandbox.mjs'

export class Sandbox extends Base {
  static async open(t) {
    const box = await super.open(t)
    for (const name of ['web.js', 'api.mjs']) box.write(name, fs.readFileSync(new URL(`programs/${name}`, import.meta.url)))
    return box
  }
  // With --json: the events come as they are told.
  run(args, options) {
    const proc = this.warren(['run', '--json', ...args], options)
    proc.event = async (node, state, from = 0) => {
      const [line] = await proc.until(new RegExp(`^.*"event","node":"${node}","state":"${state}".*$`, 'm'), from)
      return JSON.parse(line)
    }
    return proc
  }
  async node(name) {
    return (await this.nodes()).find((node) => node.name === name)
  }
  // As soon as it is so.
  async untilNode(name, isSo) {
    for (;;) {
      const node = await this.node(name)
      if (node !== undefined && isSo(node)) return node
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

// What a program says next that `isIt`.
export async function said(probe, isIt) {
  for (;;) {
    const found = probe.said.find(isIt)
    if (found !== undefined) return found
    await once(probe.socket, 'data').then(() => new Promise(setImmediate))
  }
}

// Has a program be as well as that.
export async function tell(probe, how) {
  const isIt = ({ told }) => told === how
  probe.said = probe.said.filter((one) => !isIt(one))
  probe.socket.write(`${JSON.stringify(how)}\n`)
  await said(probe, isIt)
}
