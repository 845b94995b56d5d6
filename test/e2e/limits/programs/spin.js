// Works as much as it may, in so many threads, and tells the share of a processor that it had in each half second.
//   spin.js THREADS HALF_SECONDS
const { Worker, isMainThread, workerData } = require('node:worker_threads')
const [threads, rounds] = process.argv.slice(2).map(Number)
const spin = (ms) => {
  for (const start = Date.now(); Date.now() - start < ms;);
}
if (isMainThread) {
  for (let i = 1; i < threads; i++) new Worker(__filename, { workerData: rounds * 500 })
  for (let i = 0; i < rounds; i++) {
    const start = process.hrtime.bigint(), used = process.cpuUsage()
    spin(500)
    const { user, system } = process.cpuUsage(used)
    console.log(((user + system) * 1000) / Number(process.hrtime.bigint() - start))
  }
  process.exit()
} else {
  spin(workerData)
}
