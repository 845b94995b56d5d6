// Says how many threads it has once it has heard of so many others that serve what it serves.
const fs = require('node:fs')
const { join } = require('warren')
join().then(async (mesh) => {
  await mesh.serve('many', { call: (input) => input })
  await mesh.available('many', { count: Number(process.argv[2]), timeout: 120_000 })
  console.log(JSON.stringify({ threads: fs.readdirSync('/proc/self/task').length }))
})
