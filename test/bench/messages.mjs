// The messages of the workloads, and what a follower does with them. Little, for it is in each measured follower.

const BINARY_LEN = { '1KiB': 1024, '64KiB': 65536 }

/** Gives `make(i)` and `isRight(message, i)` of a kind: small, 1KiB, 64KiB. */
export function messagesOf(kind) {
  if (kind === 'small') {
    return {
      make: (i) => ({ id: i, name: 'abc', n: 12345 }),
      isRight: (m, i) => m.id === i && m.name === 'abc' && m.n === 12345,
    }
  }
  const length = BINARY_LEN[kind]
  const bytes = Buffer.alloc(length, 0xa5) // written again for each message: every peer copies it in its send
  return {
    make(i) {
      bytes.writeUInt32LE(i, 0)
      bytes.writeUInt32LE(~i >>> 0, length - 4)
      return bytes
    },
    isRight: (m, i) =>
      m instanceof Uint8Array && m.length === length && numberAt(m, 0) === i &&
      numberAt(m, length - 4) === ~i >>> 0 && m[length >> 1] === 0xa5,
  }
}

const numberAt = (m, at) => (m[at] | (m[at + 1] << 8) | (m[at + 2] << 16) | (m[at + 3] << 24)) >>> 0

/** What a follower does: checks and counts messages, echoes calls, and reports when asked with `{ report: total }`. */
export function makeFollower(kind) {
  const { isRight } = messagesOf(kind)
  let received = 0
  let wrong = 0
  let report = null

  function finish() {
    const { resolve } = report
    const counted = { received, wrong }
    received = wrong = 0
    report = null
    resolve(counted)
  }
  return {
    onMessage(message) {
      if (!isRight(message, received)) wrong++
      received++
      if (report !== null && received >= report.total) finish()
    },
    onCall(message) {
      if (message.report === undefined) return message
      return new Promise((resolve) => {
        report = { total: message.report, resolve }
        if (received >= message.report) finish()
      })
    },
  }
}
