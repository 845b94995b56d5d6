// The chat example as its users have it: servers with a port each, WebSockets by the npm package.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Sandbox } from '../agent/harness.mjs'
import { freePort } from '../ports.mjs'

const example = fileURLToPath(new URL('../../../examples/chat', import.meta.url))

class Browser {
  #seen = []
  #wake = () => {}

  constructor(socket) {
    this.socket = socket
    socket.on('message', (data) => this.#see(JSON.parse(data)))
    socket.on('close', (code) => this.#see({ closed: code }))
    socket.on('error', () => {})
  }
  #see(message) {
    this.#seen.push(message)
    this.#wake()
  }
  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }
  // The next message that has this member; all before it are taken.
  async next(member) {
    for (;;) {
      const at = this.#seen.findIndex((message) => member in message)
      if (at >= 0) return this.#seen.splice(0, at + 1).at(-1)[member]
      await new Promise((resolve) => { this.#wake = resolve })
    }
  }
}

class Chat {
  static async open(t) {
    const chat = new Chat()
    chat.box = await Sandbox.open(t)
    chat.dir = join(chat.box.dir, 'chat')
    cpSync(example, chat.dir, { recursive: true, filter: (file) => !file.includes('node_modules') })
    await promisify(execFile)('npm', ['install', '--prefix', chat.dir, '--no-audit', '--no-fund', '--loglevel=error'])
    chat.WebSocket = createRequire(join(chat.dir, 'server.mjs'))('ws')
    await chat.box.agent()
    return chat
  }
  async server(name) {
    const port = await freePort()
    await this.box.done(['run', '-d', join(this.dir, 'server.mjs'), '--name', name, '--', '--port', port])
    const log = this.box.warren(['logs', '-f', name])
    await log.until(/http:/)
    return { name, port }
  }
  async browser(server, room, user) {
    const socket = new this.WebSocket(`ws://127.0.0.1:${server.port}/`)
    const browser = new Browser(socket)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    if (room === undefined) return browser
    browser.send({ join: room, as: user })
    browser.users = await browser.next('users')
    assert.equal(await browser.next('here'), user)
    return browser
  }
  async rooms(server) {
    return (await fetch(`http://127.0.0.1:${server.port}/rooms`, { headers: { connection: 'close' } })).json()
  }
}

test('a room reaches over servers, and those of a dead server are gone from it at once', async (t) => {
  const chat = await Chat.open(t)
  const one = await chat.server('one'), two = await chat.server('two')
  const ann = await chat.browser(one, 'lobby', 'ann')
  const bob = await chat.browser(two, 'lobby', 'bob')
  assert.deepEqual(bob.users, ['ann'])
  assert.equal(await ann.next('here'), 'bob')
  const cyd = await chat.browser(two, 'attic', 'cyd')
  ann.send({ say: 'hello <b>' })
  for (const browser of [ann, bob]) {
    assert.equal(await browser.next('from'), 'ann')
  }
  cyd.send({ say: 'nobody here' })
  assert.equal(await cyd.next('text'), 'nobody here')
  const { servers, rooms } = await chat.rooms(one)
  assert.equal(servers.length, 2)
  assert.deepEqual(rooms, [['lobby', 2], ['attic', 1]])

  await chat.box.done(['stop', 'two', '--kill'])
  assert.equal(await ann.next('gone'), 'bob')
  assert.equal(await bob.next('closed'), 1006)
  assert.deepEqual((await chat.rooms(one)).rooms, [['lobby', 1]])
})

test('a server that comes later knows who is where, and one that stops sends its browsers away', async (t) => {
  const chat = await Chat.open(t)
  const one = await chat.server('one')
  const ann = await chat.browser(one, 'lobby', 'ann')
  const two = await chat.server('two')
  const bob = await chat.browser(two, 'lobby', 'bob')
  assert.deepEqual(bob.users, ['ann'])
  await chat.box.done(['stop', 'one'])
  assert.equal(await ann.next('closed'), 1012)
  assert.equal(await bob.next('gone'), 'ann')
})

test('what a browser should not say is answered with a sentence, and harms nobody', async (t) => {
  const chat = await Chat.open(t)
  const one = await chat.server('one')
  const ann = await chat.browser(one, 'lobby', 'ann')
  const eve = await chat.browser(one)
  for (const bad of ['{', 'null', '7', { join: 7, as: 'x' }, { join: ' ', as: 'x' }, { join: 'x'.repeat(41), as: 'x' }]) {
    eve.send(bad)
    assert.equal(typeof (await eve.next('error')), 'string')
  }
  eve.send({ join: 'lobby', as: 'eve' })
  assert.equal(await ann.next('here'), 'eve')
  eve.send({ say: 'x'.repeat(4097) })
  assert.match(await eve.next('error'), /4096/)
  eve.send('x'.repeat(100_000)) // more than the server reads
  assert.equal(await eve.next('closed'), 1009)
  assert.equal(await ann.next('gone'), 'eve')
})
