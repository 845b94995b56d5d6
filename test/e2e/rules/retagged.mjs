// Joins with the tags that it was given, and again with good ones.
import { join } from 'warren'
await join().then(() => process.exit(1), (err) => { if (!(err instanceof RangeError)) throw err })
process.env.WARREN_TAGS = 'side=mended'
const mesh = await join()
await mesh.serve('retagged', { who: () => mesh.self.name })
mesh.ready()
