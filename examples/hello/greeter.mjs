import { join } from 'warren'

const mesh = await join()
await mesh.serve('greeter', { hello: ({ name }) => `Hello ${name}, I am ${mesh.self.name}` })
for await (const { data } of mesh.subscribe('guests.*')) console.log(`${data.name} has left`)
