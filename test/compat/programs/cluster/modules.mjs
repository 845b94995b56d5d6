// A cluster of ES modules without round robin: shared handles, net servers, errors of listen, and a graceful end
import cluster from 'node:cluster'
import net from 'node:net'
import { once } from 'node:events'
if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const workers = [1, 2, 3].map(() => cluster.fork())
  const ports = new Set(await Promise.all(workers.map(async (worker) => (await once(worker, 'listening'))[0].port)))
  console.log(ports.size)
  const [port] = ports
  const answers = []
  for (let i = 0; i < 3; i++) answers.push((await net.connect(port, '127.0.0.1').setEncoding('utf8').toArray()).join(''))
  console.log(answers.every((text) => /^worker [123]$/.test(text)))
  for (const worker of workers) worker.send('listen again')
  console.log((await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))).join())
  const ends = Promise.all(workers.map((worker) => once(worker, 'exit')))
  cluster.on('disconnect', (worker) => console.log(worker.exitedAfterDisconnect))
  await new Promise((resolve) => cluster.disconnect(resolve))
  console.log((await ends).join(' '), Object.keys(cluster.workers).length)
} else {
  const server = net.createServer((socket) => socket.end(`worker ${cluster.worker.id}`)).listen(0, '127.0.0.1')
  process.on('message', async () => {
    const second = net.createServer().listen({ port: server.address().port, host: '127.0.0.1', exclusive: true })
    const [err] = await once(second, 'error')
    process.send(err.code)
  })
}
