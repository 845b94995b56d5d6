// MeshError, and the tables that turn numbers from the wire and from C into one.
'use strict'

// Codes of wire.md's ERROR and CANCEL, by number: what happened, of the peer that was asked, and what to do. 1 is what a
// handler threw: it travels as itself.
const CALL_CODES = [
  null,
  null,
  ['ERR_WARREN_NO_RESPONDERS', () => 'nobody serves it now (await mesh.available(), or let the call have retries)'],
  ['ERR_WARREN_TIMEOUT', (who, timeout) => `no answer from ${who}${timeout > 0 ? ` within ${timeout} ms` : ''} (timeout says how long)`],
  ['ERR_WARREN_CANCELLED', () => 'the call was cancelled'],
  ['ERR_WARREN_OVERLOADED', (who) => `too much waits for ${who}: have fewer calls open at a time`],
  ['ERR_WARREN_CLOSED', (who) => `the mesh is closed, here or at ${who}`],
  ['ERR_WARREN_NO_METHOD', (who) => `the service at ${who} has no such method`],
  ['ERR_WARREN_PEER_LOST', (who) => `${who} is gone`],
  ['ERR_WARREN_FORBIDDEN', (who) => `the certificate of this host does not allow calls of this service at ${who} (its scopes, docs/hosts.md)`],
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
  // For the one that would be too many: `what` says of what.
  static mustBeBelow(max, count, what, subject) {
    if (count < max) return
    throw new MeshError('ERR_WARREN_OVERLOADED', `${subject === undefined ? '' : `${subject}: `}${max} ${what}, the most that may be`, { subject })
  }

  constructor(code, message, { delivered = 'no', peer, subject, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.delivered = delivered
    if (peer !== undefined) this.peer = peer
    if (subject !== undefined) this.subject = subject
  }

  // The outcome of a call, as its ERROR event tells it.
  static ofCall(number, { detail, delivered, peer, subject, timeout }) {
    const [code, textOf] = CALL_CODES[number] ?? ['ERR_WARREN_PROTOCOL', (who) => `unknown error ${number} from ${who} (is it of a newer version?)`]
    const text = detail || textOf(peer?.name ?? 'the peer', timeout)
    return new MeshError(code, `${subject}: ${text}`, { delivered, peer, subject })
  }

  static ofCommand(number, sentence) {
    return new MeshError(COMMAND_CODES.get(number) ?? 'ERR_WARREN_PROTOCOL', sentence)
  }
}
// On the prototype, so that printing an error does not show it among the own properties.
Object.defineProperty(MeshError.prototype, 'name', { value: 'MeshError', writable: true, configurable: true })

// For an argument that makes no sense: of the class that JavaScript has for it, with a code as all errors of this package.
function badArgument(Kind, text) {
  return Object.assign(new Kind(text), { code: 'ERR_WARREN_BAD_ARGUMENT' })
}

module.exports = { MeshError, badArgument }
