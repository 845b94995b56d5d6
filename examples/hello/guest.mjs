import { join } from 'warren'

const mesh = await join()
const greeter = mesh.client('greeter')
for (const to of await mesh.available('greeter', { count: 2 })) {
  console.log(await greeter.hello({ name: 'Ada' }, { to }))
}
mesh.publish('guests.left', { name: 'Ada' })
await mesh.close()
