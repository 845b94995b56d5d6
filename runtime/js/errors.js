// MeshError, and the tables that turn numbers from the wire and from C into one.
'use strict'

// Codes of wire.md's ERROR and CANCEL, by number. 1 is what a handler threw: it travels as itself.
const CALL_CODES = [
  null,
  null,
  ['ERR_WARREN_NO_RESPONDERS', 'nobody serves it'],
  ['ERR_WARREN_TIMEOUT', 'no answer in time'],
  ['ERR_WARREN_CANCELLED', 'the call was cancelled'],
  ['ERR_WARREN_OVERLOADED', 'too much is waiting for the peer'],
  ['ERR_WARREN_CLOSED', 'the mesh is closed, here or there'],
  ['ERR_WARREN_NO_METHOD', 'the service has no such method'],
  ['ERR_WARREN_PEER_LOST', 'the peer is gone'],
  ['ERR_WARREN_FORBIDDEN', "this node's certificate does not allow it"],
]

// What mesh/core/error.h says when a command of ours could not be carried out.
const COMMAND_CODES = new Map([
  [-10002, 'ERR_WARREN_TOO_LARGE'],
  [-10007, 'ERR_WARREN_OVERLOADED'],
  [-10010, 'ERR_WARREN_BAD_SUBJECT'],
  [-10011, 'ERR_WARREN_CLOSED'],
  [-10012, 'ERR_WARREN_AGENT_LOST'],
])

class MeshError extends Error {
  constructor(code, message, { delivered = 'no', peer, subject, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.delivered = delivered
    if (peer !== undefined) this.peer = peer
    if (subject !== undefined) this.subject = subject
  }

  // The outcome of a call, as its ERROR event tells it.
  static ofCall(number, { detail, delivered, peer, subject }) {
    const [code, text] = CALL_CODES[number] ?? ['ERR_WARREN_PROTOCOL', `unknown error ${number} from the peer`]
    return new MeshError(code, `${subject}: ${detail || text}`, { delivered, peer, subject })
  }

  static ofCommand(number, sentence) {
    return new MeshError(COMMAND_CODES.get(number) ?? 'ERR_WARREN_PROTOCOL', sentence)
  }
}
// On the prototype, so that printing an error does not show it among the own properties.
Object.defineProperty(MeshError.prototype, 'name', { value: 'MeshError', writable: true, configurable: true })

module.exports = { MeshError }
