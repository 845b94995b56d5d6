import { join } from 'warren'

const mesh = await join()
const departures = mesh.subscribe('guests.*')
await mesh.serve('greeter', { hello: ({ name }) => `Hello ${name}, I am ${mesh.self.name}` })
for await (const { data } of departures) console.log(`${data.name} has left`)
