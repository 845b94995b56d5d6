// Prints what differs, or must not differ, between the nodes of one service.
const { randomUUID, randomInt } = require('crypto')
const before = performance.now()
for (const name of process.argv.slice(2)) require(name)
const ms = performance.now() - before
const random = globalThis.fromLibrary === undefined && process.argv[2]?.endsWith('random.js') ? require(process.argv[2]).kept() : 0
console.log(JSON.stringify({
  ms, pid: process.pid, uuid: randomUUID(), int: randomInt(2 ** 47), math: Math.random(), kept: random, library: globalThis.fromLibrary,
  execArgv: process.execArgv, heapMiB: Math.round(require('v8').getHeapStatistics().heap_size_limit / 2 ** 20), own: process.env.OWN,
}))
