// The sandbox of e2e/agent, for the programs of this folder.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Sandbox as Base } from '../agent/harness.mjs'

export const programs = fileURLToPath(new URL('programs', import.meta.url))

export class Sandbox extends Base {
  start(command, args, options) {
    return super.start(command, args, { cwd: programs, ...options })
  }
  // What `warren logs ARGS --json` prints, as objects.
  async logs(...args) {
    const { code, stdout, stderr } = await this.done(['logs', '--json', ...args])
    if (code !== 0) throw new Error(stderr)
    return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line))
  }
  // The log files of a service, the newest first, with their lengths.
  logFiles(service) {
    return fs.readdirSync(path.join(this.state, 'logs'))
      .filter((name) => name === `${service}.log` || name.startsWith(`${service}.log.`))
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      .map((name) => ({ name, size: fs.statSync(path.join(this.state, 'logs', name)).size }))
  }
  // Asks again and again, each time a process of its own, until the answer is what is waited for.
  async until(ask, isIt) {
    for (;;) {
      const answer = await ask()
      if (isIt(answer)) return answer
    }
  }
}

export const tell = (probe, what) => probe.socket.write(JSON.stringify(what) + '\n')
export const dataOf = (pieces) => Buffer.concat(pieces.map(({ data, dataBase64 }) => Buffer.from(data ?? dataBase64, data === undefined ? 'base64' : 'utf8')))
