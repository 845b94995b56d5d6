// Serves `tagged`, for choose.test.mjs.
import { join } from 'warren'

const mesh = await join()
await mesh.serve('tagged', { who: () => mesh.self.name })
