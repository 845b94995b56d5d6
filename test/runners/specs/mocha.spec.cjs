const assert = require('node:assert/strict')
const { testCluster } = require('warren')

describe('a cluster under mocha', () => {
  let cluster
  before(async () => { cluster = await testCluster(2, { entry: `${__dirname}/counter.mjs` }) })
  after(() => cluster.close())

  it('one node counts for the other', async () => {
    const [a, b] = cluster.nodes
    assert.equal(await a.run((mesh, to) => mesh.client('counter').add(5, { to }), b.id), 5)
  })

  it('a partition is a time-out, until it is healed', async () => {
    const [a, b] = cluster.nodes
    const add = () => a.run((mesh, to) => mesh.client('counter').add(1, { to, timeout: 100 }), b.id)
    await cluster.partition(a, b)
    await assert.rejects(add(), { code: 'ERR_WARREN_TIMEOUT' })
    await cluster.heal()
    assert.ok((await add()) >= 6)
  })

  it('a paused node answers later', async () => {
    const [a, b] = cluster.nodes
    cluster.pause(b)
    const late = a.run((mesh, to) => mesh.client('counter').add(0, { to }), b.id)
    cluster.resume(b)
    assert.ok((await late) >= 6)
  })
})
