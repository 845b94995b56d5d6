// Serves `streams`: an answer that is a stream, and inputs that are.
import { join } from 'warren'

const ITEM = Buffer.alloc(32 << 10) // two of them are as far as a source runs ahead of its reader
const mesh = await join()
await mesh.serve('streams', {
  pid: () => process.pid,
  async *count({ to }) {
    for (let number = 0; number < to; number++) yield { number, pid: process.pid, ITEM }
  },
  async add(numbers) {
    let sum = 0
    for await (const { number } of numbers) sum += number
    return { sum, pid: process.pid }
  },
  async *twice(numbers) {
    for await (const { number } of numbers) yield { number: 2 * number, pid: process.pid, ITEM }
  },
})
mesh.ready()
console.log('serving')
