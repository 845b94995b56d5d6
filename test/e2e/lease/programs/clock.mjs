// A service that one node serves; it says which, and the token by which it does.
import { join } from 'warren'

const { TTL = '2s' } = process.env
const mesh = await join()
const service = await mesh.serve('clock', {
  who: (_, { lease }) => ({ pid: process.pid, node: mesh.self.name, token: lease.token, valid: lease.valid }),
  crash: () => process.exit(1),
  slow: async (_, { lease }) => {
    await new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
    return lease.signal.reason.code
  },
}, { exclusive: { ttl: TTL } })
console.log(`${mesh.self.name} ${service.lease === undefined ? 'stands by' : 'serves'}`)
