// A chat server: WebSocket rooms that reach over all instances on all hosts.
//   warren run -d server.mjs --name chat -i 2 -- --port 8090 [--host ADDRESS]
//
// Browser to server and back, as JSON texts:
//   { join: ROOM, as: USER }     first; then  { say: TEXT }
//   { users: [...] } on entering · { here: USER } · { gone: USER } · { from: USER, text: TEXT } · { error: SENTENCE }
// GET /rooms  200 { server, servers, rooms: [[room, users], ...] }        GET /  the page
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { join } from 'warren'
import { WebSocketServer } from 'ws'
import { Presence } from './presence.mjs'

const NAME_LEN_MAX = 40
const TEXT_LEN_MAX = 4096
const BEHIND_MAX = 1 << 20 // bytes a browser may be behind before it is let go
const RETRY_MS = 500
const BEAT_MS = 30_000 // a browser that does not answer for so long is gone

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '8090' }, host: { type: 'string', default: '127.0.0.1' } },
})
const page = readFileSync(new URL('page.html', import.meta.url))
const mesh = await join()
const presence = new Presence()
const rooms = new Map() // room -> the sockets here that are in it
let number = 0 // of our own news

// ---- the browsers of this server

function show(room, message) {
  const text = JSON.stringify(message)
  for (const socket of rooms.get(room) ?? []) {
    if (socket.bufferedAmount > BEHIND_MAX) socket.terminate()
    else socket.send(text)
  }
}

function showChanges(changes) {
  for (const { room, user, isHere } of changes) show(room, isHere ? { here: user } : { gone: user })
}

// Said to all servers, ourselves included: every server shows what it hears, in the order it hears it.
function tell(room, user, by) {
  mesh.publish('chat.presence', { number: ++number, room, user, by })
}

function enter(socket, room, user) {
  socket.room = room
  socket.user = user
  socket.send(JSON.stringify({ users: presence.users(room) }))
  if (!rooms.has(room)) rooms.set(room, new Set())
  rooms.get(room).add(socket)
  tell(room, user, 1)
}

function leave(socket) {
  const here = rooms.get(socket.room)
  if (!here?.delete(socket)) return
  if (here.size === 0) rooms.delete(socket.room)
  tell(socket.room, socket.user, -1)
}

const isName = (name) => typeof name === 'string' && name.trim() !== '' && name.length <= NAME_LEN_MAX

function take(socket, message) {
  if (socket.room === undefined) {
    if (!isName(message?.join) || !isName(message.as)) return `first { join, as }: names of 1 to ${NAME_LEN_MAX} characters`
    enter(socket, message.join, message.as)
  } else if (typeof message?.say === 'string' && message.say.length > 0 && message.say.length <= TEXT_LEN_MAX) {
    mesh.publish('chat.said', { room: socket.room, from: socket.user, text: message.say })
  } else {
    return `{ say } with 1 to ${TEXT_LEN_MAX} characters`
  }
}

function onText(socket, data) {
  let error
  try {
    error = take(socket, JSON.parse(data))
  } catch ({ message }) {
    error = message
  }
  if (error !== undefined) socket.send(JSON.stringify({ error }))
}

function onBrowser(socket) {
  socket.isAlive = true
  socket.on('pong', () => { socket.isAlive = true })
  socket.on('message', (data) => onText(socket, data))
  socket.on('close', () => leave(socket))
  socket.on('error', () => socket.terminate())
}

function beat(sockets) {
  for (const socket of sockets) {
    if (!socket.isAlive) socket.terminate()
    socket.isAlive = false
    socket.ping()
  }
}

// ---- the other servers

const own = () => ({
  number,
  users: [...rooms].flatMap(([room, sockets]) => Array.from(sockets, (socket) => [room, socket.user])),
})

// Its list, and then its news, until its monitor says that it is gone.
async function meet(peer) {
  const ignore = () => {} // we leave before it does
  mesh.monitor(peer).down.then(() => showChanges(presence.end(peer.id)), ignore)
  await readList(peer)
}

async function readList(peer) {
  while (peer.status === 'up') {
    try {
      const list = await chat.users(undefined, { to: peer })
      if (peer.status === 'up') showChanges(presence.begin(peer.id, list))
      return
    } catch (error) {
      console.error(`list of ${peer.name} on ${peer.host}: ${error.message}`)
      await sleep(RETRY_MS)
    }
  }
}

function onNews({ from, data }) {
  const changes = presence.apply(from.id, data)
  if (changes === null) readList(from)
  else showChanges(changes)
}

async function hear(subject, take) {
  for await (const message of mesh.subscribe(subject)) take(message)
}

const chat = mesh.client('chat')
presence.begin(mesh.self.id, own())
hear('chat.presence', onNews)
hear('chat.said', ({ data: { room, from, text } }) => show(room, { from, text }))
mesh.on('service:up', (name, peer) => name === 'chat' && peer.id !== mesh.self.id && meet(peer))
mesh.instances('chat').forEach(meet) // we do not serve it yet

const server = createServer((request, response) => {
  if (request.url === '/') return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
  if (request.url !== '/rooms') return response.writeHead(404).end()
  const { name, host } = mesh.self
  const servers = mesh.instances('chat').map((peer) => `${peer.name} on ${peer.host}`).sort()
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ server: `${name} on ${host}`, servers, rooms: presence.rooms() }) + '\n')
})
const sockets = new WebSocketServer({ server, maxPayload: 4 * TEXT_LEN_MAX })
sockets.on('connection', onBrowser)
const beats = setInterval(() => beat(sockets.clients), BEAT_MS)

server.on('error', (error) => {
  console.error(`cannot listen on ${options.host}:${options.port}: ${error.message}`)
  process.exit(1)
})
await mesh.serve('chat', { users: own })
server.listen(Number(options.port), options.host, () => console.log(`http://${options.host}:${options.port}/`))

// Browsers are told to come again: they then find another instance.
process.once('SIGTERM', () => {
  clearInterval(beats)
  server.close(() => mesh.close())
  for (const socket of sockets.clients) socket.close(1012, 'this server restarts')
  server.closeIdleConnections()
})
