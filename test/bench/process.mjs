// The program of every measured process:
//   process.mjs lead PEER WORKLOAD KIND    measures, prints one line of JSON
//   process.mjs follow PEER KIND           started by the leader through the peer's own means
const [role, name, ...rest] = process.argv.slice(2)
const [file, variant] = name.split('-')
const { lead, follow } = await import(`./peers/${file}.mjs`)

if (role === 'lead') {
  const { fileURLToPath } = await import('node:url')
  const { measure } = await import('./common.mjs')
  const [workload, kind] = rest
  const entry = fileURLToPath(import.meta.url)
  const peer = await lead({ entry, args: ['follow', name, kind], variant })
  console.log(JSON.stringify(await measure(peer, workload, kind)))
  process.exit(0)
} else {
  const { makeFollower } = await import('./messages.mjs')
  await follow(makeFollower(rest[0]))
}
