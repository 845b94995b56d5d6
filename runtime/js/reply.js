// What a call returns: a promise of the answer, and, when the answer is a stream, what `for await` reads.
'use strict'

const { Reading } = require('./reading.js')

class Reply extends Promise {
  [Symbol.asyncIterator]() {
    let stream = null
    const open = async () => {
      const answer = await this
      if (!(answer instanceof Reading)) throw new TypeError('the handler answered with a value and no stream: await it')
      stream = answer
    }
    return {
      next: () => (stream === null ? open().then(() => stream.next()) : stream.next()),
      return: (value) => (stream === null ? open().then(() => stream.return(value)) : stream.return(value)),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }
}
// So that awaiting one and then() make ordinary promises, without a detour.
Object.defineProperty(Reply.prototype, 'constructor', { value: Promise })

module.exports = { Reply }
