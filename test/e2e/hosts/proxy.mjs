// A bad network in front of one host: all that comes to its port goes through here, to be delayed, repeated, changed,
// kept and sent again. nftables loses packets (net.mjs); this is for what needs hands. Runs in the host's namespace.
import { spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { Member } from '../messages/cluster.mjs'

const PORT = 7400, OURS = 7401, KIND_NODE = 2
const chance = (percent) => Math.random() * 100 < percent

// In the test: proxy.run((proxy) => proxy.set({ delay: 50 })) runs in the process of the proxy.
export async function putInFront(t, host) {
  await host.nft('add table ip proxy', 'add chain ip proxy in { type nat hook prerouting priority -100 ; }',
    `add rule ip proxy in tcp dport ${PORT} redirect to :${OURS}`, `add rule ip proxy in udp dport ${PORT} redirect to :${OURS}`)
  const child = spawn('ip', ['netns', 'exec', host.ns, process.env.WARREN_NODE, fileURLToPath(import.meta.url)], {
    env: host.env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced',
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return new Member(child)
}

class Proxy {
  settings = {} // delay, jitter (ms); repeat, flip (% of datagrams or chunks of a stream); isKept; pace (bytes/s to nodes)
  counts = { flips: 0, datagrams: 0, connections: 0, cuts: 0 }
  #sessions = []
  #datagrams = []
  #ways = new Map()
  #sockets = new Set()
  #links = new Set() // of nodes: {client, server}

  set(settings) {
    this.settings = settings
  }

  async open() {
    this.udp = dgram.createSocket('udp4', (bytes, from) => this.#onDatagram(bytes, from))
    this.udp.bind(OURS)
    const server = net.createServer({ allowHalfOpen: true }, (socket) => this.#onConnection(socket)).listen(OURS)
    await Promise.all([once(this.udp, 'listening'), once(server, 'listening')])
  }

  #flip(bytes) {
    if (!chance(this.settings.flip ?? 0)) return bytes
    const changed = Buffer.from(bytes)
    changed[Math.floor(Math.random() * bytes.length)] ^= 1 << Math.floor(Math.random() * 8)
    this.counts.flips++
    return changed
  }
  get #wait() {
    return (this.settings.delay ?? 0) + Math.random() * (this.settings.jitter ?? 0)
  }

  #onDatagram(bytes, from) {
    this.counts.datagrams++
    const key = `${from.address}:${from.port}`
    if (!this.#ways.has(key)) {
      const way = dgram.createSocket('udp4', (answer) => this.udp.send(answer, from.port, from.address))
      this.#ways.set(key, way)
    }
    const deliver = () => {
      this.#ways.get(key).send(this.#flip(bytes), PORT, '127.0.0.1')
      if (this.settings.isKept) this.#datagrams.push(bytes) // not before: said again it must be the second one
    }
    for (let times = chance(this.settings.repeat ?? 0) ? 2 : 1; times > 0; times--) setTimeout(deliver, this.#wait)
  }

  #onConnection(client) {
    const server = net.connect({ port: PORT, host: '127.0.0.1', allowHalfOpen: true })
    const kept = []
    this.counts.connections++
    if (this.settings.isKept) this.#sessions.push(kept)
    this.#pipe(client, server, kept, { client, server })
    this.#pipe(server, client, [])
  }
  #pipe(from, to, kept, link) {
    const queue = [] // a stream keeps its order
    let isForNode
    const work = () => {
      while (queue.length > 0 && queue[0].due <= performance.now()) queue.shift().what()
      if (queue.length > 0) setTimeout(work, queue[0].due - performance.now())
    }
    const later = (what) => {
      if (queue.push({ due: performance.now() + this.#wait, what }) === 1) work()
    }
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (bytes) => {
      kept.push(bytes)
      isForNode ??= link !== undefined && bytes[5] === KIND_NODE // of the preamble
      if (isForNode) this.#links.add(link)
      if (isForNode && this.settings.pace) {
        from.pause()
        setTimeout(() => from.resume(), bytes.length / this.settings.pace * 1000)
      }
      const changed = this.#flip(bytes)
      later(() => to.write(changed))
    })
    from.on('end', () => later(() => to.end()))
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      this.#links.delete(link)
      to.destroy()
    })
  }

  // Every connection of nodes is reset, with whatever is under way in it.
  cutLinks() {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy()
      server.resetAndDestroy()
      this.counts.cuts++
    }
  }

  // All datagrams that were kept, sent again; how many were sent and how many bytes came back.
  async replayDatagrams() {
    const socket = dgram.createSocket('udp4')
    let answered = 0
    socket.on('message', (answer) => { answered += answer.length })
    for (const bytes of this.#datagrams) await new Promise((resolve) => socket.send(bytes, PORT, '127.0.0.1', resolve))
    await new Promise((resolve) => setTimeout(resolve, 1000)) // an answer would be here by now
    socket.close()
    return { sent: this.#datagrams.length, answered }
  }
  // What a client said first, once one has said that much.
  async firstBytes(len) {
    for (;;) {
      const heard = this.#sessions.map((chunks) => Buffer.concat(chunks)).find((bytes) => bytes.length >= len)
      if (heard) return heard.subarray(0, len)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  // All that clients said in the connections that were kept, or the first `len` bytes of it, said again to its end.
  async replaySessions(len) {
    const answers = await Promise.all(this.#sessions.map((chunks) => new Promise((resolve) => {
      let answered = 0
      const socket = net.connect(PORT, '127.0.0.1', () => socket.write(Buffer.concat(chunks).subarray(0, len)))
      socket.on('data', (bytes) => { answered += bytes.length }).on('error', () => {}).on('close', () => resolve(answered))
    })))
    return { sent: answers.length, answered: answers.reduce((sum, each) => sum + each, 0) }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const proxy = new Proxy()
  await proxy.open()
  process.on('message', async ({ id, source, args }) => {
    process.send({ id, result: await (0, eval)(`(${source})`)(proxy, ...args) })
  })
  process.send({ ready: true })
}
