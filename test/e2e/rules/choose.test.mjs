// Rule: which of several instances gets a call or a message: by key, by tags, by load; and none that leaves or is gone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Cluster } from '../messages/cluster.mjs'

let cluster, caller, other, servers
before(async () => {
  cluster = await Cluster.start()
  ;[caller, other] = await cluster.members('caller', 'other')
  servers = []
  for (const [name, zone] of [['s0', 'a'], ['s1', 'a'], ['s2', 'b'], ['s3', 'b']]) servers.push(await cluster.member(name, { WARREN_TAGS: `zone=${zone},disk=ssd` }))
  await Promise.all(servers.map((server, i) => server.run(async (mesh, keep, i) => {
    keep.service = await mesh.serve('shop', { who: () => mesh.self.name, hang: () => new Promise(() => {}) }, { tags: i === 3 ? { disk: 'hdd' } : undefined })
    keep.got = []
    const group = mesh.subscribe('jobs.*', { queue: 'workers', tags: i === 3 ? { disk: 'hdd' } : undefined })
    void (async () => { for await (const m of group) m.wantsResponse ? m.respond(mesh.self.name) : keep.got.push(m.data) })()
    await group.ready
  }, i)))
  for (const member of [caller, other]) await member.run((mesh) => mesh.available('shop', { count: 4 }))
})
after(() => cluster.stop())

const ofKeys = async (mesh, keep, count) => {
  const shop = mesh.client('shop')
  const names = []
  for (let i = 0; i < count; i++) names.push(await shop.who(null, { key: `user-${i}` }))
  return names
}

test('the same key goes to the same instance for every caller, and all instances have keys', async () => {
  const [one, two] = await Promise.all([caller.run(ofKeys, 200), other.run(ofKeys, 200)])
  assert.deepEqual(one, two)
  assert.deepEqual([...new Set(one)].sort(), ['s0', 's1', 's2', 's3'])
})

test('a client may have a key of its own, and a number is the same key as its text', async () => {
  const [a, b, c] = await caller.run(async (mesh) => [
    await mesh.client('shop', { key: 7 }).who(), await mesh.client('shop').who(null, { key: '7' }), await mesh.client('shop', { key: 8 }).who(null, { key: 7n })])
  assert.equal(a, b)
  assert.equal(a, c)
})

test('only instances with the wanted tags answer; those of serve() are stronger than those of the node', async () => {
  const names = (tags) => caller.run(async (mesh, keep, tags) => {
    const answers = []
    for (let i = 0; i < 60; i++) answers.push(await mesh.client('shop', { tags }).who())
    return [...new Set(answers)].sort()
  }, tags)
  assert.deepEqual(await names({ zone: 'a' }), ['s0', 's1'])
  assert.deepEqual(await names({ disk: 'hdd' }), ['s3'])
  assert.deepEqual(await names({ disk: 'ssd', zone: 'b' }), ['s2'])
  await assert.rejects(names({ zone: 'c' }), { code: 'ERR_WARREN_NO_RESPONDERS', delivered: 'no' })
})

test('a key and tags choose within a queue group, for messages and for requests', async () => {
  const answers = await caller.run(async (mesh) => {
    const answers = new Set()
    for (let i = 0; i < 20; i++) answers.add(await mesh.request('jobs.ask', null, { key: 'k' }))
    for (let i = 0; i < 20; i++) mesh.publish('jobs.keyed', i, { key: 'k' })
    for (let i = 0; i < 20; i++) mesh.publish('jobs.tagged', 100 + i, { tags: { disk: 'ssd', zone: 'b' } })
    for (let i = 0; i < 20; i++) mesh.publish('jobs.nobody', -1, { tags: { zone: 'z' } })
    // Behind them on every link: when it is answered, they are there.
    for (const peer of mesh.instances('shop')) await mesh.client('shop').who(null, { to: peer })
    return [...answers]
  })
  assert.equal(answers.length, 1)
  const got = await Promise.all(servers.map((server) => server.run((mesh, keep) => keep.got.splice(0))))
  assert.deepEqual(got.filter((data) => data.some((n) => n >= 0 && n < 100)).length, 1)
  assert.deepEqual(got[2].filter((n) => n >= 100), Array.from({ length: 20 }, (_, i) => 100 + i))
  assert.equal(got.flat().length, 40)
})

test('what cannot be a key or a tag is refused before anything is sent', async () => {
  const errors = await caller.run(async (mesh) => {
    const shop = mesh.client('shop')
    const given = [{ key: '' }, { key: {} }, { key: 'x'.repeat(256) }, { tags: 'zone=a' }, { tags: { 'a=b': 'c' } }, { tags: { a: 'b,c' } }, { tags: { a: 1 } }]
    const calls = await Promise.all(given.map((options) => shop.who(null, options).then(() => 'answered', (err) => err.name)))
    const thrown = (work) => { try { work() } catch (err) { return err.name } }
    return [...calls, thrown(() => mesh.publish('a', 1, { key: '' })), thrown(() => mesh.subscribe('a', { tags: { '': 'x' } })), await mesh.serve('x', { f() {} }, { tags: 3 }).catch((err) => err.name)]
  })
  assert.deepEqual(errors, ['RangeError', 'TypeError', 'RangeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'RangeError', 'TypeError', 'TypeError'])
})

test('a node that leaves gets no new calls and no messages of a group while its hooks and handlers still run', async () => {
  const before = await caller.run((mesh) => mesh.instances('shop').length)
  await servers[3].run(async (mesh, keep) => {
    keep.service = null
    mesh.onClose(() => new Promise((resolve) => (keep.finish = resolve)))
    keep.closing = mesh.close()
  })
  const names = await caller.run(async (mesh) => {
    while (mesh.instances('shop').length > 3) await new Promise((resolve) => mesh.once('service:down', resolve))
    for (let i = 0; i < 60; i++) mesh.publish('jobs.late', i)
    const names = new Set()
    for (let i = 0; i < 60; i++) names.add(await mesh.client('shop').who())
    const { peers } = mesh
    return [[...names].sort(), [...peers.values()].some((peer) => peer.name === 's3')]
  })
  assert.equal(before, 4)
  assert.deepEqual(names, [['s0', 's1', 's2'], true])
  assert.deepEqual(await servers[3].run((mesh, keep) => keep.got.splice(0)), [])
  await servers[3].run((mesh, keep) => { keep.finish(); return keep.closing })
})

test('`warren run --tag` tags all instances, together with WARREN_TAGS; a bad one is refused with a sentence', async () => {
  const program = fileURLToPath(new URL('tagged.mjs', import.meta.url))
  await cluster.warren('run', '-d', program, '-i', '2', '--name', 'left', '--tag', 'side=left', '--tag', 'gpu=yes')
  await cluster.warren('run', '-d', program, '--name', 'right', '--tag', 'side=right')
  const names = await caller.run(async (mesh) => {
    await mesh.available('tagged', { count: 3 })
    const names = new Set()
    for (let i = 0; i < 60; i++) names.add(await mesh.client('tagged').who(null, { tags: { side: 'left', gpu: 'yes' } }))
    return [...names].sort()
  })
  assert.deepEqual(names, ['left.0', 'left.1'])
  for (const tag of ['side', '=left', 'a=b,c=d', 'a=b c', '']) {
    await assert.rejects(cluster.warren('run', program, '--tag', tag), { code: 2, stderr: /cannot be a tag: it is KEY=VALUE/ })
  }
  await assert.rejects(cluster.warren('run', program, '--name', 'bad', '--restart', 'never', { WARREN_TAGS: 'side' }), { stderr: /WARREN_TAGS must be KEY=VALUE/ })
})

test('a program that joined with bad tags can join with good ones, as the node that it is', async () => {
  const program = fileURLToPath(new URL('retagged.mjs', import.meta.url))
  await cluster.warren('run', '-d', program, '--name', 'retagged', '--ready', 'mesh', { WARREN_TAGS: 'side' })
  const name = await caller.run(async (mesh) => {
    await mesh.available('retagged')
    return mesh.client('retagged').who(null, { tags: { side: 'mended' } })
  })
  assert.equal(name, 'retagged.0')
})

test('when the chosen instance dies, its calls end at once and say whether they may have run; later ones go to others', async () => {
  const pending = caller.run(async (mesh) => {
    const shop = mesh.client('shop')
    const [target] = mesh.instances('shop').filter((peer) => peer.name === 's0')
    const began = performance.now()
    const err = await shop.hang(null, { to: target, timeout: 30000 }).catch((err) => err)
    await mesh.monitor(target).down // until the agent has said so, a call may still be sent there: PEER_LOST, not delivered
    const names = new Set()
    for (let i = 0; i < 60; i++) names.add(await shop.who(null, { key: i }))
    return [err.code, err.delivered, performance.now() - began < 20000, [...names].sort()]
  })
  await caller.run((mesh) => mesh.client('shop').who(null, { to: mesh.instances('shop').find((peer) => peer.name === 's0') }))
  await servers[0].kill()
  assert.deepEqual(await pending, ['ERR_WARREN_PEER_LOST', 'maybe', true, ['s1', 's2']])
})

test('a node that is starting gets no calls and no messages of a group', async () => {
  const starting = await cluster.member('starting') // a member, which serves nothing yet
  const others = await caller.run(async (mesh) => {
    while (![...mesh.peers.values()].some((peer) => peer.name === 'starting')) await new Promise((resolve) => mesh.once('peer:up', resolve))
    const names = new Set()
    for (let i = 0; i < 60; i++) names.add(await mesh.client('shop').who())
    return [...names].sort()
  })
  assert.deepEqual(others, ['s1', 's2'])
  await starting.run(async (mesh, keep) => { keep.service = await mesh.serve('shop', { who: () => mesh.self.name }) })
  const names = await caller.run(async (mesh) => {
    await mesh.available('shop', { count: 3 })
    const names = new Set()
    for (let i = 0; i < 60; i++) names.add(await mesh.client('shop').who())
    return [...names].sort()
  })
  assert.deepEqual(names, ['s1', 's2', 'starting'])
})
