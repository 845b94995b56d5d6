// A node that Warren forks, and that does what a stock Node.js asks of it: functions (mesh, keep, ...args), as text.
import { join } from 'warren'

const mesh = await join({ maxMessage: 16 << 20 })
const keep = {} // what one function leaves for the next
await mesh.serve('forked', { run: ({ source, args }) => (0, eval)(`(${source})`)(mesh, keep, ...args) })
