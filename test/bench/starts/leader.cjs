// Calls each node of the service once, when all serve.
'use strict'
const { join } = require('warren')

join().then(async (mesh) => {
  const count = Number(process.argv[2])
  console.log('joined')
  const peers = await mesh.available('echo', { count, timeout: 60_000 })
  const client = mesh.client('echo', { timeout: 60_000 })
  await Promise.all(peers.map((to, i) => client.call(i, { to })))
  console.log(`all ${peers.length}`)
})
