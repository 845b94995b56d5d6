// What a user's worker does: the program of every node.
import { join } from 'warren'

const mesh = await join()
let count = 0
await mesh.serve('counter', { add: (n) => (count += n) })
