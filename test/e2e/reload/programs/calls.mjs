// Serves `sums`, with a hook for its end; members of the queue group answer `ask`.
import { join } from 'warren'

const mesh = await join()
await mesh.serve('sums', {
  async add({ a, b }) {
    await new Promise((resolve) => setTimeout(resolve, a % 3))
    return { sum: a + b, pid: process.pid }
  },
})
const asked = mesh.subscribe('ask', { queue: 'workers' })
mesh.onClose(() => console.log('first hook'))
mesh.onClose(() => console.log('second hook'))
mesh.ready()
for await (const msg of asked) msg.respond(msg.data + 1)
