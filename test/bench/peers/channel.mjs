// Messages over Node's own parent-child channel, for node:child_process and node:cluster alike. The channel has no calls:
// a call is { call: id, message }, its answer { answer: id, message }; anything else is a message.
import { once } from 'node:events'

export function answerParent({ onMessage, onCall }) {
  process.on('message', async (received) => {
    if (received.call === undefined) return onMessage(received)
    process.send({ answer: received.call, message: await onCall(received.message) })
  })
  process.send('ready')
}

export function askChildren({ launch, pidOf }) {
  const children = []
  const waiting = new Map()
  let lastCall = 0

  function onMessage({ answer, message }) {
    waiting.get(answer)(message)
    waiting.delete(answer)
  }
  async function open() {
    const child = launch()
    children.push(child)
    await once(child, 'message')
    child.on('message', onMessage)
  }
  // send() gives false when much is queued; the callback of that message tells when it has gone out.
  function send(i, message) {
    let written
    const isFine = children[i].send(message, () => written?.())
    return isFine ? undefined : new Promise((resolve) => (written = resolve))
  }
  return {
    async prepare() {},
    async start(count) {
      await Promise.all(Array.from({ length: count }, open))
    },
    call(i, message) {
      const id = ++lastCall
      return new Promise((resolve) => {
        waiting.set(id, resolve)
        children[i].send({ call: id, message })
      })
    },
    send,
    sendAll(message) {
      const waits = children.map((_, i) => send(i, message)).filter((wait) => wait !== undefined)
      return waits.length === 0 ? undefined : Promise.all(waits)
    },
    pids: () => ({ followers: children.map(pidOf), others: [] }),
    async stop() {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}
