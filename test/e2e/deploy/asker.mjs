// Clients of several hosts: each address is asked again and again, with new connections and with one that is kept. A line of
// JSON for each request that failed; on SIGTERM one that says how many were answered, by host.
//   node asker.mjs PORT ADDRESS...
import http from 'node:http'

const PAUSE_MS = 20 // between two requests: who is asked needs the processor as well
const PATIENCE_MS = 30_000
const [port, ...addresses] = process.argv.slice(2)
const answered = Object.fromEntries(addresses.map((address) => [address, 0]))
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`)
let isOver = false

const get = (host, agent) => new Promise((resolve, reject) => {
  const request = http.get({ host, port, agent, timeout: PATIENCE_MS }, (answer) => {
    answer.resume().on('end', () => answer.complete ? resolve() : reject(new Error('half an answer'))).on('error', reject)
  })
  request.on('timeout', () => request.destroy(new Error('no answer'))).on('error', reject)
})

async function ask(address, agent) {
  while (!isOver) {
    await get(address, agent).then(() => answered[address]++,
      ({ code, message }) => say({ address, why: code ?? message, isKept: agent !== false, at: new Date().toISOString() }))
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

const all = addresses.flatMap((address) => [false, new http.Agent({ keepAlive: true, maxSockets: 1 })].map((agent) => ask(address, agent)))
process.once('SIGTERM', async () => {
  isOver = true
  await Promise.all(all)
  process.stdout.write(`${JSON.stringify({ answered })}\n`, () => process.exit())
})
say({ begins: addresses })
