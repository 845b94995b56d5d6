// Serves `api`, whose method `health` does as the test says, at first as FIRST says. With DEAF it lives on while it is told to end.
import net from 'node:net'
import { join } from 'warren'

let how = process.env.FIRST ?? 'well'
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
if (process.env.DEAF) process.on('SIGTERM', () => {})

const ways = {
  well: () => 'fine',
  ill: () => { throw new Error('the database is away\nand more') },
  hang: ({ signal }) => new Promise(() => signal.addEventListener('abort', () => say({ aborted: signal.reason.code }))),
}
const mesh = await join()
await mesh.serve('api', {
  health: (input, context) => ways[how](context),
  async *lines() { yield* [1, 2] },
  name: () => mesh.self.name,
})
say({ pid: process.pid, name: mesh.self.name })

socket.on('data', (data) => {
  for (const line of data.toString().trim().split('\n')) {
    how = JSON.parse(line)
    say({ told: how })
  }
})
