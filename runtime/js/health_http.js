// The HTTP servers of this program, and a request to one of them through a connection that nobody else could accept: the
// other end is handed to this very server, as if it had come in.
'use strict'

const { request } = require('http') // Node's own, whatever a program puts in its place
const { connect } = require('http2')
const net = require('net')
const { Duplex } = require('stream')
const tls = require('tls')
const { isHttp } = require('./http_end.js')
const { Share } = require('./share.js')

const BODY_LEN_MAX = 64 << 10 // that is read of an answer, so that the program can end it well; then it is cut
const HEADERS = { host: 'localhost', 'user-agent': 'warren-health' }

// Those that were told to listen, in that order.
class HttpServers {
  #known = new Set() // of WeakRef

  // `onListen`: before one listens.
  constructor(onListen) {
    const remember = (server) => {
      if (!isHttp(server) && !isHttp2(server)) return
      this.#known.add(new WeakRef(server))
      onListen()
    }
    const { prototype } = net.Server
    const { listen } = prototype
    prototype.listen = function (...args) {
      const result = listen.apply(this, args)
      remember(this)
      return result
    }
  }

  // One that listens (on this port), rather on the service's own than on a private one; or undefined.
  find(port) {
    const listening = []
    for (const known of this.#known) {
      const server = known.deref()
      if (server === undefined) this.#known.delete(known)
      else if (server.listening) listening.push(server)
    }
    const fitting = listening.filter((server) => port === undefined || server.address()?.port === port)
    const server = fitting.find((one) => Share.of(one) !== undefined) ?? fitting[0]
    return server === undefined ? undefined : new HttpServer(server)
  }
}

class HttpServer {
  #server

  constructor(server) {
    this.#server = server
  }

  // The status of its answer to a GET. Rejects when it ends the connection without one.
  async status(path, timeout) {
    const [client, end] = pair()
    const timer = setTimeout(() => client.destroy(), timeout)
    end.once('close', () => clearTimeout(timer))
    const isTls = this.#server instanceof tls.Server
    end.encrypted = isTls
    end.alpnProtocol = isHttp2(this.#server) ? 'h2' : 'http/1.1'
    // Behind TLS, where its requests are.
    this.#server.emit(isTls ? 'secureConnection' : 'connection', end)
    return isHttp2(this.#server) ? getHttp2(client, path) : get(client, path)
  }
}

function get(client, path) {
  return new Promise((resolve, reject) => {
    const headers = { ...HEADERS, connection: 'close' }
    request({ createConnection: () => client, path, headers }, (response) => {
      resolve(response.statusCode)
      skim(response, client)
    }).on('error', reject).end()
  })
}

function getHttp2(client, path) {
  return new Promise((resolve, reject) => {
    const session = connect('http://localhost', { createConnection: () => client }).on('error', reject)
    const stream = session.request({ ':path': path, 'user-agent': HEADERS['user-agent'] }).on('error', reject)
    stream.on('response', (head) => resolve(head[':status']))
    stream.once('close', () => session.close())
    skim(stream, client)
  })
}

function skim(body, client) {
  let len = 0
  body.on('data', (piece) => {
    len += piece.length
    if (len > BODY_LEN_MAX) client.destroy()
  }).on('error', () => {}) // cut
}

// HTTP/2; those of HTTP/1.1 are known by another method.
function isHttp2(server) {
  return typeof server.updateSettings === 'function'
}

// A connection in memory, as far as servers look at one.
class End extends Duplex {
  remoteAddress = '127.0.0.1'
  remoteFamily = 'IPv4'
  remotePort = 0
  localAddress = '127.0.0.1'
  localPort = 0
  other = null
  #waiting = null // the other end's write, until this one reads

  #take(piece, callback) {
    if (this.push(piece)) callback()
    else this.#waiting = callback
  }

  #goOn() {
    const callback = this.#waiting
    this.#waiting = null
    callback?.()
  }

  _read() {
    this.#goOn()
  }

  _write(piece, encoding, callback) {
    this.other.#take(piece, callback)
  }

  _final(callback) {
    this.other.push(null)
    callback()
  }

  // Like a connection that is reset, where it has not ended in good order.
  _destroy(err, callback) {
    this.#goOn()
    setImmediate(() => this.other.destroy())
    callback(err)
  }

  address() {
    return { address: this.localAddress, family: 'IPv4', port: this.localPort }
  }
  setTimeout() {
    return this
  }
  setNoDelay() {
    return this
  }
  setKeepAlive() {
    return this
  }
  ref() {
    return this
  }
  unref() {
    return this
  }
}

function pair() {
  const ends = [new End(), new End()]
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  for (const end of ends) end.on('error', () => {}) // a reset is no error of the program's
  return ends
}

module.exports = { HttpServers }
