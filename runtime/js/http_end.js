// Ends connections of HTTP/1.1 with a response that says so: the client opens another one and no request is lost. To close a
// connection between two requests loses the one that is under way.
'use strict'

let isWatching = false

// Also of https; those of http2 have sessions.
function isHttp(server) {
  return typeof server.closeIdleConnections === 'function'
}

// From now on each response asks `shares` whether it is the last of its connection.
function watchResponses(shares) {
  if (isWatching) return
  isWatching = true
  const { prototype } = require('http').ServerResponse
  const { _storeHeader: storeHeader } = prototype
  // The one step behind all ways to send the head of a response.
  prototype._storeHeader = function (firstLine, headers) {
    const server = this.socket?.server
    const share = server && shares.of(server)
    if (share === undefined || share === null || !share.isToEnd) return storeHeader.call(this, firstLine, headers)
    this.shouldKeepAlive = false
    return storeHeader.call(this, firstLine, withoutKeepAlive(this, headers))
  }
}

// What the program says itself goes before shouldKeepAlive.
function withoutKeepAlive(response, headers) {
  if (isKeepAlive(response.getHeader('connection'))) response.setHeader('Connection', 'close')
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return headers
  const name = Object.keys(headers).find((key) => key.toLowerCase() === 'connection')
  return name !== undefined && isKeepAlive(headers[name]) ? { ...headers, [name]: 'close' } : headers
}

function isKeepAlive(value) {
  return typeof value === 'string' && value.toLowerCase() === 'keep-alive'
}

module.exports = { isHttp, watchResponses }
