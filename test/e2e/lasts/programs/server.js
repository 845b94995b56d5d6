// Serves `sum`, and counts what is published to it: `report` says how much came, and from whom in which order.
const net = require('node:net')
const { join } = require('warren')
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')

join().then(async (mesh) => {
  const report = { received: 0, disorder: [], downs: 0 }
  let next = 0
  mesh.on('peer:down', () => report.downs++)
  const subscription = mesh.subscribe('numbers')
  await mesh.serve('sum', { add: ({ a, b }) => a + b })
  await subscription.ready
  say({ pid: process.pid, role: 'server', name: mesh.self.name })
  socket.on('data', () => say(report))
  for await (const { data } of subscription) {
    report.received++
    if (data !== next) report.disorder.push([next, data])
    next = data + 1
  }
})
