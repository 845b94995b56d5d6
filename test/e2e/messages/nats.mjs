// A real nats-server, and as much of its text protocol as a comparison needs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const PATH = `/usr/local/lib/warren/nats/usr/sbin:${process.env.PATH}:/usr/sbin`

/** Rejects with what to do when there is none. */
export async function startServer() {
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', '-1'], { env: { PATH }, stdio: ['ignore', 'ignore', 'pipe'] })
  const failed = new Promise((_, reject) => server.on('error', (cause) => reject(
    new Error('no nats-server on this machine: tools/setup.sh test unpacks Debian\'s (the comparison cannot be made without it)', { cause }))))
  const listening = (async () => {
    let port
    for await (const line of createInterface({ input: server.stderr })) {
      port ??= /Listening for client connections on .*:(\d+)/.exec(line)?.[1]
      if (port !== undefined && /Server is ready/.test(line)) return Number(port)
    }
    throw new Error('nats-server ended before it was ready')
  })()
  const port = await Promise.race([listening, failed])
  return { port, stop: async () => { server.kill('SIGKILL'); await once(server, 'exit') } }
}

export class Client {
  #socket
  #input = ''
  #expected = [] // of PONG, and in verbose mode of +OK and -ERR
  messages = [] // [subject, sid, payload]

  static async open(port, options = {}) {
    const client = new Client()
    client.#socket = connect(port, '127.0.0.1')
    client.#socket.setEncoding('latin1').on('data', (data) => client.#receive(data))
    await once(client.#socket, 'connect')
    client.#say(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...options })}`)
    if (options.verbose) await client.#answer()
    return client
  }

  #say(line) {
    this.#socket.write(`${line}\r\n`, 'latin1')
  }

  #answer() {
    return new Promise((resolve) => this.#expected.push(resolve))
  }

  #receive(data) {
    this.#input += data
    for (let end; (end = this.#input.indexOf('\r\n')) >= 0; ) {
      const words = this.#input.slice(0, end).split(' ')
      if (words[0] === 'MSG') {
        const len = Number(words.at(-1))
        if (this.#input.length < end + 2 + len + 2) return
        this.messages.push([words[1], Number(words[2]), this.#input.substr(end + 2, len)])
        end += 2 + len
      } else if (words[0] === 'PING') this.#say('PONG')
      else if (words[0] !== 'INFO') this.#expected.shift()?.(this.#input.slice(0, end))
      this.#input = this.#input.slice(end + 2)
    }
  }

  subscribe(pattern, sid, queue = '') {
    this.#say(`SUB ${pattern}${queue && ` ${queue}`} ${sid}`)
  }

  publish(subject, payload) {
    this.#say(`PUB ${subject} ${payload.length}\r\n${payload}`)
  }

  /** Everything said before was done, and what it caused was received. */
  async flush() {
    this.#say('PING')
    await this.#answer()
  }

  /** In verbose mode: the server takes this line. */
  async accepts(line) {
    this.#say(line)
    return (await this.#answer()) === '+OK'
  }

  close() {
    this.#socket.destroy()
  }
}
