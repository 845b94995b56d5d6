const cluster = require('node:cluster')
const http = require('node:http')
if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()]
  const ports = new Set()
  cluster.on('listening', (worker, address) => {
    ports.add(address.port)
    if (ports.add(address.port).size === 1 && (worker.ready = true) && workers.every((each) => each.ready)) ask(address.port)
  })
  let exits = 0
  cluster.on('exit', (worker, code) => { if (++exits === 2) console.log('workers ended', code) })
  const ask = async (port) => {
    const seen = new Set()
    for (let i = 0; i < 4; i++) seen.add(await get(port))
    console.log('served by', seen.size, [...seen].every((id) => workers.some((worker) => worker.id === Number(id))))
    for (const worker of workers) worker.send('end')
  }
  const get = (port) => new Promise((resolve) => http.get({ port, host: '127.0.0.1', agent: false }, (response) => {
    response.setEncoding('utf8').on('data', resolve)
  }))
} else {
  http.createServer((request, response) => response.end(String(cluster.worker.id))).listen(0, '127.0.0.1')
  process.on('message', () => process.exit(5))
}
