// Ports for tests, which run at once with others.
import { once } from 'node:events'
import net from 'node:net'

// Below those that the system gives to whoever connects: such a one may be another's at the next moment. Each process begins at
// a place of its own.
const FIRST = 10_000, END = 32_000, OF_A_PROCESS = 20
let next = FIRST + ((process.pid * OF_A_PROCESS) % (END - FIRST))

/** One that nobody listens on, and that no other test is told for a while. */
export async function freePort() {
  for (;;) {
    const port = next++
    if (next === END) next = FIRST
    const server = net.createServer().listen(port)
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
