// The sandbox of e2e/config for projects that are deployed: what `warren deploy --json` and `warren status --json` tell.
import assert from 'node:assert/strict'
import http from 'node:http'
import { Sandbox as Base } from '../config/sandbox.mjs'
import { freePort } from '../ports.mjs'

// Answers with its word, its pid and where it lies. Which word decides what becomes of it.
const SERVER = `
const http = require('node:http')
const word = require('./word.js')
if (word === 'broken') { console.error('no database'); process.exit(3) }
if (word !== 'slow') http.createServer((request, response) => response.end(word + ' ' + process.pid + ' ' + __dirname)).listen(process.env.PORT)
else setInterval(() => {}, 1000)
console.log('serves ' + word)
`

const jsonLines = (text) => text.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line))

export class Sandbox extends Base {
  static async open(t) {
    const box = await super.open(t)
    box.port = await freePort()
    box.write('server.js', SERVER)
    box.write('ballast.bin', 'x'.repeat(3 << 20)) // what does not change
    box.word('one')
    box.service()
    return box
  }
  word(word) {
    this.write('word.js', `module.exports = ${JSON.stringify(word)}\n`)
  }
  service(more = {}, name = 'api', project = 'shop') {
    this.config({ name: project, services: { [name]: {
      entry: './server.js', instances: 2, env: { PORT: String(this.port) }, health: { ready: 'listen', timeout: '60s' },
      update: { settle: '100ms', deadline: '60s' }, ...more,
    } } })
  }
  // To its end: what it told, and how it went.
  async deploy(args = [], code = 0) {
    const end = await this.done(['deploy', '--json', ...args])
    assert.equal(end.code, code, end.stdout + end.stderr)
    const lines = jsonLines(end.stdout)
    const of = (type) => lines.findLast((line) => line.type === type)
    return { ...end, lines, shipped: of('shipped'), accepted: of('accepted'), deployed: of('deployed') }
  }
  async status(...args) {
    return JSON.parse((await this.ok(['status', '--json', ...args])).stdout)
  }
  async shop(name = 'shop') {
    return (await this.status(name)).projects[0]
  }
  // Until `warren status -f` tells of a project that is so; with null, of all there is, that it is so.
  async until(isSo, name = 'shop') {
    const watch = this.warren(['status', ...(name ? [name] : []), '-f', '--json'])
    try {
      for (let from = 0; ;) {
        const { 0: line, index } = await watch.until(/^.*\n/, from)
        from += index + line.length
        const all = JSON.parse(line)
        const project = all.projects[0]
        if ((project || !name) && isSo(project, all)) return project
      }
    } finally {
      watch.end()
    }
  }
  // What each of so many answers begins with, as a set.
  async words(count = 12) {
    const words = new Set()
    for (let i = 0; i < count; i++) words.add((await get(this.port)).split(' ')[0])
    return [...words]
  }
  async pids() {
    return (await this.nodes()).filter(({ pid }) => pid > 0).map(({ pid }) => pid).sort()
  }
}

export function get(port, host = '127.0.0.1') {
  return new Promise((resolve, reject) => {
    http.get({ host, port, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => (text += piece)).on('end', () => resolve(text)).on('error', reject)
    }).on('error', reject)
  })
}

// Asks again and again until stop() is called, which tells what went wrong and how often all went well.
export function load(port, host) {
  let isOver = false
  const failures = []
  let count = 0
  const done = (async () => {
    while (!isOver) {
      await get(port, host).then(() => count++, (err) => failures.push(err.message))
    }
  })()
  return { stop: async () => {
    isOver = true
    await done
    return { failures, count }
  } }
}
