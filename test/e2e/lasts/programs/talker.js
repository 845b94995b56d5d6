// Publishes numbers to all of its service, itself included, and counts what comes from each, in which order. `go N` publishes so many at once;
// `settle` ends when all that the agent has told before is known; `downs N` waits for so many ends of others; `report N` says what has come once all numbers below N are there from everybody, and what was lost.
const net = require('node:net')
const { join } = require('warren')
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
const COUNT = Number(process.argv[2])

join().then(async (mesh) => {
  const next = new Map(), disorder = []
  const subject = `talk.${mesh.self.service}`
  let published = 0, downs = 0, changed = () => {}
  mesh.on('peer:down', () => {
    downs++
    changed()
  })
  const subscription = mesh.subscribe(subject)
  await subscription.ready
  while (mesh.peers.size < COUNT - 1) await new Promise((resolve) => mesh.once('peer:up', resolve))
  say({ pid: process.pid })
  const commands = {
    go(count) {
      for (let i = 0; i < Number(count); i++) mesh.publish(subject, { from: process.pid, number: published++ })
      say({ published })
    },
    async settle() {
      const last = mesh.subscribe(`${subject}.settle`)
      await last.ready
      last.unsubscribe()
      say({ settled: true })
    },
    async downs(count) {
      while (downs < Number(count)) await new Promise((resolve) => (changed = resolve))
      say({ downs })
    },
    async report(count) {
      while (next.size < COUNT || [...next.values()].some((n) => n < Number(count))) await new Promise((resolve) => (changed = resolve))
      say({ numbers: [...next.values()], disorder, lost: mesh.stats.lostPublications })
    },
  }
  socket.on('data', (data) => {
    for (const line of data.toString().trim().split('\n')) {
      const [word, ...args] = line.split(' ')
      commands[word](...args)
    }
  })
  for await (const { data } of subscription) {
    const expected = next.get(data.from) ?? 0
    if (data.number !== expected) disorder.push([data.from, expected, data.number])
    next.set(data.from, data.number + 1)
    changed()
  }
})
