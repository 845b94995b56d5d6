// What a lease protects: it takes writes, and refuses one whose token is smaller than one that it has seen. It also keeps what each
// holder said of when its lease was valid, by the clock that all processes of this machine have.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'

const PATIENCE_MS = 90_000

export class Resource {
  #server = net.createServer((socket) => this.#take(socket))
  #sockets = new Set()
  #waiting = new Set()
  said = [] // all lines
  accepted = []
  refused = []
  spans = new Map() // token -> {who, first, last}
  highest = 0n

  static async open(t, file) {
    const resource = new Resource()
    resource.path = file
    resource.#server.listen(file)
    await once(resource.#server, 'listening')
    t.after(() => resource.#close())
    return resource
  }

  #take(socket) {
    this.#sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    let rest = ''
    socket.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) this.#hear(JSON.parse(line))
      for (const look of this.#waiting) look()
    })
  }

  #hear(line) {
    this.said.push(line)
    if (line.says !== undefined) return
    const token = BigInt(line.token)
    const at = BigInt(line.at)
    if (token < this.highest) this.refused.push(line)
    else this.accepted.push(line)
    if (token > this.highest) this.highest = token
    const span = this.spans.get(token)
    if (span === undefined) this.spans.set(token, { who: line.who, first: at, last: at })
    else if (span.who !== line.who) assert.fail(`${span.who} and ${line.who} have one token, ${token}`)
    else span.last = at
  }

  // The first line from `from` on that is as it is awaited.
  until(what, isIt, from = 0) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle(value)
      }
      const look = () => {
        for (; from < this.said.length; from++) if (isIt(this.said[from])) return finish(resolve, this.said[from])
      }
      const timer = setTimeout(() => finish(reject, new Error(`${what} did not happen; the last lines: ${JSON.stringify(this.said.slice(-10))}`)), PATIENCE_MS)
      this.#waiting.add(look)
      look()
    })
  }
  // A write that comes from now on.
  write(what, isIt = () => true) {
    return this.until(what, (line) => line.token !== undefined && line.says === undefined && isIt(line), this.said.length)
  }
  says(word, who, from = 0) {
    return this.until(`${who} says ${word}`, (line) => line.says === word && line.who === who, from)
  }

  // At no moment were two of them valid, and what was accepted is in the order of its tokens.
  mustBeExclusive() {
    const tokens = [...this.spans.keys()].sort((a, b) => (a < b ? -1 : 1))
    for (const [i, token] of tokens.entries()) {
      if (i === 0) continue
      const [before, span] = [this.spans.get(tokens[i - 1]), this.spans.get(token)]
      assert.ok(before.last < span.first, `${before.who} (token ${tokens[i - 1]}) was still valid ${(before.last - span.first) / 1000n} us after ${span.who} (token ${token}) was`)
    }
    for (const [i, { token }] of this.accepted.entries()) assert.ok(i === 0 || BigInt(this.accepted[i - 1].token) <= BigInt(token))
  }

  #close() {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
