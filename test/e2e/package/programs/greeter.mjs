// A user's service, for testing.test.mjs.
import { join } from 'warren'

const mesh = await join()
await mesh.serve('greeter', { greet: (who) => `${mesh.self.name} greets ${who}, ${process.env.GREETING}` })
