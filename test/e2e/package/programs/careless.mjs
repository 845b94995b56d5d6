// A test that does not clean up, for testing.test.mjs.
import { readFileSync } from 'node:fs'
import { testCluster } from 'warren'

const cluster = await testCluster(2)
const [a, b] = cluster.nodes
cluster.pause(b)
const agent = parseInt(readFileSync(`${cluster.dir}/agent.lock`, 'utf8'))
process.on('SIGUSR2', () => process.exit())
console.log(JSON.stringify({ pids: [a.pid, b.pid, agent], dir: cluster.dir }))
setInterval(() => {}, 1000)
