// Tells a test what happens in the mesh: one line of JSON for each event. Run by warren-node beside the nodes.
import { join } from 'warren'

const tell = event => process.stdout.write(JSON.stringify(event) + '\n')
const mesh = await join({ name: 'watch' })
mesh.on('service:up', (service, peer) => tell({ subject: `up.${service}`, data: { name: peer.name, pid: peer.pid } }))
const events = mesh.subscribe('search.>')
await events.ready
tell({ subject: 'watching' })
for await (const { subject, data } of events) tell({ subject, data })
