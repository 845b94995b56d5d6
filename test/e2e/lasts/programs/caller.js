// Calls `sum`, and publishes some numbers after each answer, without pause unless a reader stands still, from `go` on. `report` says what came of it so far; `stop` too, at its
// end. `find NAME` waits for a service that starts later, and calls it.
const net = require('node:net')
const { join } = require('warren')
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
const IN_FLIGHT = 8
const NUMBERS_PER_CALL = 5

join().then(async (mesh) => {
  const report = { calls: 0, wrong: 0, errors: [], published: 0, lost: 0 }
  let isOver = false
  mesh.on('error', (err) => report.errors.push(err.code))
  mesh.on('gap', () => report.lost++)
  const sum = mesh.client('sum')
  const call = async () => {
    while (!isOver) {
      const a = report.calls++
      try {
        if ((await sum.add({ a, b: 1 }, { timeout: 60_000 })) !== a + 1) report.wrong++
        for (let i = 0; i < NUMBERS_PER_CALL; i++)
          if (!mesh.publish('numbers', report.published++)) await new Promise((resolve) => mesh.once('drain', resolve))
      } catch (err) {
        report.errors.push(err.code)
      }
    }
  }
  const commands = {
    report: () => say(report),
    async go() {
      commands.done = Promise.all(Array.from({ length: IN_FLIGHT }, call))
      say({ going: true })
    },
    async stop() {
      isOver = true
      await commands.done
      await mesh.flush()
      say(report)
    },
    async find(name) {
      await mesh.available(name)
      say({ found: name, answer: await mesh.client(name).add({ a: 1, b: 2 }) })
    },
  }
  await mesh.available('sum')
  say({ pid: process.pid, role: 'caller' })
  socket.on('data', (data) => {
    for (const line of data.toString().trim().split('\n')) {
      const [word, ...args] = line.split(' ')
      commands[word](...args)
    }
  })
})
