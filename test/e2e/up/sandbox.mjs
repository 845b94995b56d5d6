// The sandbox of e2e/config with an agent: what is written down there runs.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import { Sandbox as Base } from '../config/sandbox.mjs'

export class Sandbox extends Base {
  static async open(t) {
    const box = await super.open(t)
    box.write('server.js', fs.readFileSync(new URL('programs/server.js', import.meta.url)))
    return box
  }
  // { 'app.0': pid, ... }
  async pids() {
    return Object.fromEntries((await this.nodes()).map(({ name, pid }) => [name, pid]))
  }
  async names() {
    return Object.keys(await this.pids()).sort()
  }
  // What it plans, and how that went: { planned: { api: 'start' }, ... }
  async up(args = [], code = 0) {
    const end = await this.done(['up', '-d', '--json', ...args])
    assert.equal(end.code, code, end.stdout + end.stderr)
    const lines = end.stdout.trim().split('\n').map((line) => JSON.parse(line))
    const plans = lines.filter(({ type }) => type === 'planned')
    return { ...end, lines, planned: Object.fromEntries(plans.map(({ service, action }) => [service, action])), plans }
  }
}

export function get(port, path = '/') {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => (text += piece)).on('end', () => resolve(text)).on('error', reject)
    }).on('error', reject)
  })
}
