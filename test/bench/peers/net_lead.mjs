// The leader's side of net.mjs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KIND, Link, newPackr } from './net.mjs'

export function lead({ entry, args }) {
  const dir = mkdtempSync(join(tmpdir(), 'warren-bench-'))
  const path = join(dir, 'socket')
  const server = net.createServer()
  const children = []
  const links = []
  const waiting = new Map()
  const broadcast = newPackr()
  let lastCall = 0

  function onAnswer(kind, id, message) {
    waiting.get(id)(message)
    waiting.delete(id)
  }
  function launch() {
    children.push(spawn(process.execPath, [entry, ...args], {
      env: { ...process.env, BENCH_SOCKET: path },
      stdio: ['ignore', 'inherit', 'inherit'],
    }))
  }
  function accept(socket) {
    const link = new Link(socket)
    link.read(onAnswer)
    links.push(link)
    server.emit('link')
  }
  return {
    async prepare() {
      server.on('connection', accept)
      server.listen(path)
      await once(server, 'listening')
    },
    async start(count) {
      for (let i = 0; i < count; i++) launch()
      while (links.length < count) await once(server, 'link')
    },
    call(i, message) {
      const id = ++lastCall
      return new Promise((resolve) => {
        waiting.set(id, resolve)
        links[i].send(KIND.call, id, message)
      })
    },
    send(i, message) {
      return links[i].send(KIND.message, 0, message) ? undefined : links[i].drained()
    },
    sendAll(message) {
      const packed = broadcast.pack(message)
      let isFine = true
      for (const link of links) isFine = link.sendPacked(KIND.broadcast, 0, packed) && isFine
      return isFine ? undefined : Promise.all(links.map((link) => link.drained()))
    },
    pids: () => ({ followers: children.map((child) => child.pid), others: [] }),
    async stop() {
      for (const child of children) child.kill('SIGKILL')
      rmSync(dir, { recursive: true })
    },
  }
}
