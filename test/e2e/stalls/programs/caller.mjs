// Calls `who` again and again: says when all of ten calls in a row were answered by one instance, and when by both.
// Monitors all that serve it.
import { join } from 'warren'

const mesh = await join()
const who = mesh.client('who')
const watch = (peer) => {
  if (peer.service === 'w') mesh.monitor(peer).down.then(({ reason }) => console.log(`down ${peer.name} ${reason}`), () => {})
}
mesh.on('peer:up', watch)
for (const peer of mesh.peers.values()) watch(peer)
await mesh.available('who', { count: 2 })
let told = ''
for (;;) {
  const names = new Set()
  for (let i = 0; i < 10; i++) names.add(await who.name(undefined, { timeout: 300 }).catch(() => 'nobody'))
  const now = names.size === 1 ? `only ${[...names][0]}` : names.has('nobody') ? '' : 'both'
  if (now !== told && now !== '') console.log(now)
  if (now !== '') told = now
  await new Promise((resolve) => setTimeout(resolve, 10))
}
