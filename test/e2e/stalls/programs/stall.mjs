// Serves its name, and blocks its loop when it is told to: busily, until the test lets it go, by promises, in sorts, in Atomics.wait,
// or in a system call.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'warren'

function spinInProgram(ms) {
  for (const end = Date.now() + ms; Date.now() < end;);
}
function heldInProgram() {
  while (!existsSync(process.env.LET_GO));
}
async function awaitInProgram(ms) {
  for (const end = Date.now() + ms; Date.now() < end;) await null
}
function sortInProgram(ms) {
  for (const end = Date.now() + ms; Date.now() < end;) Array.from({ length: 1e6 }, Math.random).sort()
}
const ways = {
  await: awaitInProgram,
  sort: sortInProgram,
  spin: spinInProgram,
  held: heldInProgram,
  wait: (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  child: (ms) => execFileSync('sleep', [`${ms / 1000}`]),
}
const mesh = await join()
const control = { block: ({ way, ms }) => { setImmediate(() => { ways[way](ms); console.log('free again') }) } }
await mesh.serve('who', { name: () => mesh.self.name })
await mesh.serve(`control-${mesh.self.instance}`, control)
mesh.on('peer:up', watch)
for (const peer of mesh.peers.values()) watch(peer)
function watch(peer) {
  if (peer.service === mesh.self.service) mesh.monitor(peer).down.then(({ reason }) => console.log(`down ${peer.name} ${reason}`), () => {})
}
console.log('serves')
