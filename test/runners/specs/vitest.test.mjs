import { afterAll, beforeAll, expect, test } from 'vitest'
import { testCluster } from 'warren'

let cluster
beforeAll(async () => { cluster = await testCluster(2, { entry: new URL('counter.mjs', import.meta.url) }) })
afterAll(() => cluster.close())

test('one node counts for the other', async () => {
  const [a, b] = cluster.nodes
  expect(await a.run((mesh, to) => mesh.client('counter').add(5, { to }), b.id)).toBe(5)
})

test('a partition is a time-out, until it is healed', async () => {
  const [a, b] = cluster.nodes
  const add = () => a.run((mesh, to) => mesh.client('counter').add(1, { to, timeout: 100 }), b.id)
  await cluster.partition(a, b)
  await expect(add()).rejects.toMatchObject({ code: 'ERR_WARREN_TIMEOUT' })
  await cluster.heal()
  expect(await add()).toBeGreaterThanOrEqual(6)
})

test('a paused node answers later', async () => {
  const [a, b] = cluster.nodes
  cluster.pause(b)
  const late = a.run((mesh, to) => mesh.client('counter').add(0, { to }), b.id)
  cluster.resume(b)
  expect(await late).toBeGreaterThanOrEqual(6)
})
