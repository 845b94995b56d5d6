// Calls `quote` for the test, in the version that it is asked for.
import { join } from 'warren'

const mesh = await join()
await mesh.serve('ask', {
  async price(version) {
    try {
      return await mesh.client('quote', { version, timeout: 60_000 }).price()
    } catch ({ code, message, delivered }) {
      return { code, message, delivered }
    }
  },
})
mesh.ready()
