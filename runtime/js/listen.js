// server.listen(port) in the instances of one service: all use the listening socket that the agent holds, so they share
// the port, and it stays open while they come and go. Port 0, `exclusive: true`, pipes and descriptors stay private.
'use strict'

const { closeSync } = require('fs')
const net = require('net')
const { getSystemErrorMap } = require('util')
const { Channel } = require('./channel.js')
const { native } = require('./native.js')
const { Share } = require('./share.js')

const BACKLOG_DEFAULT = 511
const EADDRINUSE = -98
const FLAG_IPV6_ONLY = 1 // UV_TCP_IPV6ONLY, the only flag that a shared socket knows

// What a server waits for: its place is this symbol.
const kRequest = Symbol('warren.listen')
const kIsExclusive = Symbol('warren.exclusive')

// Address and port -> the request of the server that has it: a second one in this process is refused, as by the kernel.
const taken = new Map()

let isInstalled = false

// Opens nothing: the agent is asked when the first server listens.
function install() {
  if (isInstalled) return
  isInstalled = true
  const { prototype } = net.Server
  const { listen, close, _listen2: listenPrivately } = prototype

  prototype.listen = function (...args) {
    this[kIsExclusive] = typeof args[0] === 'object' && args[0] !== null && args[0].exclusive === true
    return listen.apply(this, args)
  }

  // The step behind all forms of listen(): the address is numeric by now.
  prototype._listen2 = function (address, port, addressType, backlog, fd, flags) {
    const isTcp = Number.isInteger(port) && port > 0 && !(fd >= 0)
    const isShareable = isTcp && !this[kIsExclusive] && ((flags ?? 0) & ~FLAG_IPV6_ONLY) === 0
    const channel = isShareable ? sharingChannel() : null
    if (channel === null) return listenPrivately.apply(this, arguments)
    new Request(this, { address, port, addressType, backlog, flags }, listenPrivately).start(channel)
  }

  // A server that is closed before the answer has no handle yet, and Node would say that it does not run.
  prototype.close = function (callback) {
    Share.of(this)?.leave()
    if (this[kRequest] === undefined) return close.apply(this, arguments)
    this[kRequest].cancel()
    if (typeof callback === 'function') this.once('close', () => callback())
    return close.call(this)
  }
}

// null where there is no agent to share with.
function sharingChannel() {
  if (Channel.current === null && !native().hasControl()) return null
  try {
    const channel = Channel.open({})
    return channel.isClosed || channel.isLost ? null : channel
  } catch {
    return null
  }
}

class Request {
  #server
  #where
  #listenPrivately
  #key
  #isCancelled = false

  constructor(server, where, listenPrivately) {
    this.#server = server
    this.#where = where
    this.#listenPrivately = listenPrivately
    this.#key = `${where.address ?? ''}:${where.port}`
  }

  async start(channel) {
    const { address, port, backlog, flags } = this.#where
    this.#server[kRequest] = this
    if (taken.has(this.#key)) return this.#fail(EADDRINUSE)
    taken.set(this.#key, this)
    const isIpv6Only = ((flags ?? 0) & FLAG_IPV6_ONLY) !== 0
    let answer
    try {
      answer = await channel.listen({ address: address ?? '', port, backlog: backlog || BACKLOG_DEFAULT, isIpv6Only })
    } catch {
      // Without its agent a node listens for itself.
      this.#listen(address, port, this.#where.addressType, undefined)
      return
    }
    if (answer.status === 0) return this.#share(answer)
    this.#release()
    this.#fail(answer.status)
  }

  cancel() {
    this.#isCancelled = true
    this.#server[kRequest] = undefined
    this.#release()
  }

  #release() {
    if (taken.get(this.#key) === this) taken.delete(this.#key)
  }

  #share({ fd, memory }) {
    if (this.#isCancelled) {
      if (memory >= 0) closeSync(memory)
      return closeSync(fd)
    }
    this.#listen(null, null, null, fd)
    Share.begin(this.#server, fd, memory)
    const { address, port, addressType } = this.#where
    this.#server._connectionKey = `${addressType}:${address}:${port}`
  }

  #listen(address, port, addressType, fd) {
    if (this.#isCancelled) return
    this.#server[kRequest] = undefined
    this.#server.once('close', () => this.#release())
    this.#listenPrivately.call(this.#server, address, port, addressType, this.#where.backlog, fd, this.#where.flags)
  }

  #fail(errno) {
    process.nextTick(() => {
      if (this.#isCancelled) return
      this.#server[kRequest] = undefined
      this.#server.emit('error', systemError(errno, this.#where))
    })
  }
}

// As Node makes it for a failed listen().
function systemError(errno, { address, port }) {
  const [code, text] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', 'unknown error']
  const host = address ?? '::'
  const err = new Error(`listen ${code}: ${text} ${host}:${port}`)
  return Object.assign(err, { code, errno, syscall: 'listen', address: host, port })
}

module.exports = { install }
