// Serves `quote` in the version of its environment; it is well when the test says so, with FIRST=ill not before.
import net from 'node:net'
import { join } from 'warren'

const { VERSION: version, FIRST, PROBE } = process.env
let isWell = FIRST !== 'ill'
const mesh = await join()
await mesh.serve('quote', {
  health() {
    if (!isWell) throw new Error('not yet')
  },
  price: () => version ?? 'none',
}, { version })
const socket = net.connect(PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
say({ pid: process.pid, version })
socket.on('data', (data) => {
  isWell = true
  say({ told: JSON.parse(data) })
})
