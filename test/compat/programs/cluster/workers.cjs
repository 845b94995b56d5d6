// Workers of node:cluster serve one port by turns, answer messages, are told apart, and end with their codes
const cluster = require('node:cluster')
const http = require('node:http')
const { once } = require('node:events')
async function primary() {
  console.log(cluster.isPrimary, cluster.isMaster, cluster.worker, cluster.schedulingPolicy === cluster.SCHED_RR)
  cluster.setupPrimary({ args: ['one', 'two'] })
  const workers = [cluster.fork({ ROLE: 'a' }), cluster.fork({ ROLE: 'b' })]
  const port = await new Promise((resolve) => {
    let count = 0
    cluster.on('listening', (worker, address) => { if (++count === 2) resolve(address.port) })
  })
  console.log(Object.keys(cluster.workers).join(), workers.every((worker) => worker.isConnected() && !worker.isDead()))
  const seen = new Set()
  for (let i = 0; i < 6; i++) seen.add(await (await new Promise((resolve) => http.get({ port, host: '127.0.0.1', agent: false }, resolve))).setEncoding('utf8').toArray().then((parts) => parts.join('')))
  console.log([...seen].sort().join(' | '))
  for (const worker of workers) {
    worker.send({ ask: worker.id, when: new Date(0) })
    console.log((await once(worker, 'message'))[0])
  }
  workers[0].disconnect()
  const [code, signal] = await once(workers[0], 'exit')
  console.log(code, signal, workers[0].exitedAfterDisconnect, workers[0].isDead())
  workers[1].kill('SIGKILL')
  const [worker, killed, by] = await once(cluster, 'exit')
  console.log(worker.id, killed, by, worker.exitedAfterDisconnect)
  const third = cluster.fork({ ROLE: 'exits' })
  console.log((await once(third, 'exit'))[0], Object.keys(cluster.workers).length)
}
function worker() {
  if (process.env.ROLE === 'exits') process.exit(7)
  http.createServer((request, response) => {
    response.end(`${process.env.ROLE} ${cluster.worker.id} ${cluster.isWorker} ${process.argv.slice(2)}`)
  }).listen(0, '127.0.0.1')
  process.on('message', (message) => process.send({ ...message, role: process.env.ROLE, unique: process.env.NODE_UNIQUE_ID }))
}
if (cluster.isPrimary) primary()
else worker()
