// A member that does what a test tells it: each message carries the source of a function (mesh, keep, ...args).
import { join } from 'warren'

const mesh = await join({ name: process.argv[2] })
const keep = {} // what one function leaves for the next
process.on('message', async ({ id, source, args }) => {
  try {
    process.send({ id, result: await (0, eval)(`(${source})`)(mesh, keep, ...args) })
  } catch (error) {
    const { message, code, delivered } = error
    process.send({ id, error: { message, code, delivered, name: error.constructor.name } })
  }
})
process.send({ ready: true })
