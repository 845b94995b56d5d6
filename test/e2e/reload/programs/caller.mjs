// Calls without a pause until a line comes, then says what became of them.
import { join } from 'warren'

const mesh = await join()
const sums = mesh.client('sums')
await mesh.available('sums')
for (let isThere = false; !isThere; ) isThere = await mesh.request('ask', 0).then(() => true, () => false)
const failures = new Map()
let calls = 0
let isOver = false
process.stdin.once('data', () => (isOver = true))
const pids = new Set()

async function call(work) {
  while (!isOver) {
    try {
      await work(calls++)
    } catch (err) {
      failures.set(`${err.code} ${err.delivered}`, (failures.get(`${err.code} ${err.delivered}`) ?? 0) + 1)
    }
  }
}
const workers = Array.from({ length: 8 }, () => call(async (n) => pids.add((await sums.add({ a: n, b: 1 })).pid)))
workers.push(...Array.from({ length: 4 }, () => call((n) => mesh.request('ask', n))))
console.log('calling')
await Promise.all(workers)
console.log(JSON.stringify({ calls, pids: pids.size, failures: [...failures] }))
await mesh.close()
process.exit(0)
