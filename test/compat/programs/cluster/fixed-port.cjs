// Workers that listen at a port of their choice share it, and who takes it too is refused
const cluster = require('node:cluster')
const net = require('node:net')
const { once } = require('node:events')
async function primary() {
  for (const policy of [cluster.SCHED_RR, cluster.SCHED_NONE]) {
    const probe = net.createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address()
    await new Promise((resolve) => probe.close(resolve))
    cluster.schedulingPolicy = policy
    const workers = [1, 2].map(() => cluster.fork({ PORT: port }))
    const addresses = await Promise.all(workers.map(async (worker) => (await once(worker, 'listening'))[0]))
    console.log(addresses.every((address) => address.port === port), addresses[0].address, addresses[0].addressType)
    console.log((await net.connect(port, '127.0.0.1').setEncoding('utf8').toArray()).join(''))
    const [err] = await once(net.createServer().listen(port, '127.0.0.1'), 'error')
    console.log(err.code, err.syscall)
    await Promise.all(workers.map((worker) => { worker.disconnect(); return once(worker, 'exit') }))
  }
}
if (cluster.isPrimary) primary()
else net.createServer((socket) => socket.end('served')).listen(process.env.PORT, '127.0.0.1')
