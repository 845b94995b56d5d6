// Connections that last: server-sent events, WebSockets. A program ends them when it is told to; else they are cut, and that is said.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { Load } from './load.mjs'
import { pidsOf } from './web.mjs'

const CUT = /^\w+\.0 \(pid \d+\): (\d+) connections? had not ended when the time to drain \(\d+ ms\) was over, and (?:is|are) cut$/m
const ways = [
  { way: 'closing', options: ['--drain', '60s'], what: 'when the node is closing' },
  { way: 'hook', options: ['--drain', '500ms'], what: 'in a hook of onClose' },
  { way: 'never', options: ['--drain', '300ms'], what: 'never, so they are cut' },
]

// An EventSource: comes again at once, and says which event it has seen last.
class Events {
  ids = []
  pids = new Set()
  ends = [] // how each response ended
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  #changed = () => {}
  #request

  constructor(port) {
    this.port = port
    this.#open()
  }
  #open() {
    if (this.isOver) return
    const headers = this.ids.length > 0 ? { 'Last-Event-ID': String(this.ids.at(-1)) } : {}
    const request = http.get({ port: this.port, host: '127.0.0.1', agent: this.#agent, headers }, (response) => {
      let rest = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        const events = (rest + chunk).split('\n\n')
        rest = events.pop()
        for (const event of events) this.#take(event)
        this.#changed()
      })
      response.on('error', () => {})
      response.on('close', () => {
        this.ends.push(response.complete ? 'whole' : 'cut')
        setImmediate(() => this.#open())
      })
    })
    request.on('error', () => setImmediate(() => this.#open()))
    this.#request = request
  }
  #take(event) {
    const [, id, pid] = /^id: (\d+)\ndata: (\d+)$/.exec(event)
    this.ids.push(Number(id))
    this.pids.add(Number(pid))
  }
  async until(count) {
    while (this.ids.length < count) await new Promise((resolve) => (this.#changed = resolve))
  }
  end() {
    this.isOver = true
    this.#request.destroy()
    this.#agent.destroy()
  }
}

for (const { way, options, what } of ways)
  test(`server-sent events: a client that comes again misses none; the program ends them ${what}`, async (t) => {
    const box = await Load.open(t)
    box.env.EVENTS = path.join(box.dir, 'events')
    const happen = (count) => fs.appendFileSync(box.env.EVENTS, '.'.repeat(count))
    happen(0)
    const { port, name } = await box.serve('events.js', { instances: 1, args: [way] })
    const [old] = await pidsOf(box, name)
    const events = new Events(port)
    t.after(() => events.end())
    happen(100)
    await events.until(100)
    const reload = box.warren(['reload', name, ...options])
    await reload.until(/is replaced/)
    happen(100)
    const { code, stdout } = await reload.ended
    assert.equal(code, 0)
    happen(100)
    await events.until(300)
    assert.deepEqual(events.ids, Array.from({ length: 300 }, (_, i) => i + 1))
    assert.deepEqual([...events.pids], [old, ...(await pidsOf(box, name))])
    assert.equal(events.ends[0], way === 'never' ? 'cut' : 'whole')
    if (way === 'closing') assert.doesNotMatch(stdout, CUT)
    if (way === 'never') assert.match(stdout, CUT)
  })

for (const { way, options, what } of ways)
  test(`WebSockets: what was said is answered, the next one is served by the new instance; the program ends them ${what}`, async (t) => {
    const { WebSocket } = createRequire(`${process.env.COMPAT_PACKAGES}/`)('ws')
    const box = await Load.open(t)
    box.env.COMPAT_PACKAGES = process.env.COMPAT_PACKAGES
    const { port, name } = await box.serve('sockets.js', { instances: 1, args: [way] })
    const [old] = await pidsOf(box, name)
    const open = async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`)
      socket.ended = once(socket, 'close')
      socket.said = []
      socket.on('message', (data) => socket.said.push(String(data)))
      await once(socket, 'message')
      return socket
    }
    const sockets = await Promise.all([open(), open(), open()])
    for (const socket of sockets) assert.deepEqual(socket.said.splice(0), [String(old)])
    for (const socket of sockets) for (let i = 0; i < 100; i++) socket.send(String(i))
    for (const socket of sockets) while (socket.said.length < 100) await once(socket, 'message')
    const reload = box.warren(['reload', name, ...options])
    for (const socket of sockets) {
      const [closeCode, reason] = await socket.ended
      assert.deepEqual([closeCode, String(reason)], way === 'never' ? [1006, ''] : [1001, 'reload'])
      assert.deepEqual(socket.said, Array.from({ length: 100 }, (_, i) => String(i)))
    }
    const { code, stdout } = await reload.ended
    assert.equal(code, 0)
    assert.equal(stdout.match(CUT)?.[1], way === 'never' ? '3' : undefined)
    const next = await open()
    assert.deepEqual(next.said, (await pidsOf(box, name)).map(String))
    assert.notEqual(next.said[0], String(old))
    next.close()
    await next.ended
  })
