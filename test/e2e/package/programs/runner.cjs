// A test as other runners run it, CommonJS: a function that is awaited. The process ends by itself, close() or not.
const { testCluster } = require('warren')

async function main() {
  const cluster = await testCluster(2)
  const [a, b] = cluster.nodes
  const answer = await a.run((mesh, id) => mesh.peers.get(id).name, b.id)
  console.log(answer === 'n1' ? 'passed' : 'failed')
}
main()
