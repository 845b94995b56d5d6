// Ends when it is told to.
import { join } from 'warren'

const mesh = await join()
await mesh.serve('short', { end: () => process.exit(3) })
