// Three hosts as one cluster: formed by commands, and whatever happens to a host, the others know it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Cluster } from './cluster.mjs'

// Runs in a member: waits until `count` instances serve the name; where they are.
const hostsOf = async (mesh, keep, name, count) => (await mesh.available(name, { count, timeout: 20_000 })).map((peer) => peer.host).sort()
const serve = (mesh, keep, name) => mesh.serve(name, { where: () => mesh.self.host, echo: (x) => x }, { tags: { at: mesh.self.host } }).then(() => true)

test('two commands add a host, and nodes of all hosts call each other and publish', async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [ada, bob, cyd] = cluster.hosts
  const members = await Promise.all(cluster.hosts.map((host) => cluster.member(host, `on-${host.name}`)))
  for (const member of members) await member.run(serve, 'place')
  for (const member of members) assert.deepEqual(await member.run(hostsOf, 'place', 3), ['ada', 'bob', 'cyd'])
  const answers = await members[0].run(async (mesh) => {
    const place = mesh.client('place')
    return Promise.all(mesh.instances('place').map((to) => place.where(undefined, { to })))
  })
  assert.deepEqual(answers.sort(), ['ada', 'bob', 'cyd'])
  // Tags travel with the registry, and all hosts have the same idea of where a key goes.
  const tagged = (mesh, keep, at) => mesh.client('place', { tags: { at } }).where()
  for (const member of members) assert.equal(await member.run(tagged, 'cyd'), 'cyd')
  const keyed = (mesh) => Promise.all(Array.from({ length: 30 }, (_, key) => mesh.client('place', { key }).where()))
  const [first, ...others] = await Promise.all(members.map((member) => member.run(keyed)))
  for (const other of others) assert.deepEqual(other, first)
  // A publication reaches the subscribers of every host once.
  for (const member of members)
    await member.run(async (mesh, keep) => {
      keep.heard = mesh.subscribe('news.*')
      await keep.heard.ready
      await mesh.serve('listening', { yes: () => true })
    })
  await members[1].run(async (mesh) => {
    await mesh.available('listening', { count: 3 })
    for (let i = 0; i < 10; i++) mesh.publish('news.today', { i, from: mesh.self.host })
    await mesh.flush()
  })
  for (const member of members) {
    const heard = await member.run(async (mesh, keep) => {
      const got = []
      while (got.length < 10) got.push((await keep.heard.next()).value.data)
      return got
    })
    assert.deepEqual(heard, Array.from({ length: 10 }, (_, i) => ({ i, from: 'bob' })))
  }
  // A large message goes in pieces; a call that nobody answers is told.
  assert.equal(await members[2].run(async (mesh) => {
    const [to] = mesh.instances('place').filter((peer) => peer.host === 'ada')
    return (await mesh.client('place').echo('x'.repeat(1_000_000), { to })).length
  }), 1_000_000)
  assert.deepEqual(await cluster.states(cyd), { ada: 'up', bob: 'up', cyd: 'up' })
  void ada, bob
})

test('the end of a node and of a host is told on the others', async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob', 'cyd'])
  const [ada, bob, cyd] = cluster.hosts
  const watcher = await cluster.member(ada, 'watcher')
  const watch = async (mesh, keep, name) => {
    const [peer] = await mesh.available(name, { timeout: 20_000 })
    keep[name] = mesh.monitor(peer).down
    return peer.host
  }
  const told = async (mesh, keep, name) => {
    const { reason, code, signal } = await keep[name]
    return { reason, code, signal }
  }
  // A launched node that is killed: its host's agent knows how it ended.
  const victim = await cluster.member(bob, 'victim')
  await victim.run(serve, 'victim')
  assert.equal(await watcher.run(watch, 'victim'), 'bob')
  await victim.kill()
  assert.deepEqual(await watcher.run(told, 'victim'), { reason: 'crash', code: null, signal: null })
  // An agent that is stopped says good-bye; its nodes end with it.
  const leaver = await cluster.member(bob, 'leaver')
  await leaver.run(serve, 'leaver')
  await watcher.run(watch, 'leaver')
  bob.agentProcess.kill('SIGTERM')
  await bob.agentProcess.ended
  const end = await watcher.run(told, 'leaver')
  assert.match(end.reason, /^(left|crash|unreachable)$/)
  await cluster.until(ada, { bob: 'left' })
  // And comes back as it was.
  bob.agentProcess = await bob.agent()
  await cluster.sees(ada, [bob])
  const again = await cluster.member(bob, 'again')
  await again.run(serve, 'again')
  assert.equal(await watcher.run(watch, 'again'), 'bob')
  // The power cord: nobody says anything.
  await cluster.net.isolate(bob)
  await cluster.until(ada, { bob: ['unreachable', 'down'], cyd: 'up' })
  await cluster.until(cyd, { bob: 'down', ada: 'up' })
  assert.equal((await watcher.run(told, 'again')).reason, 'unreachable')
  await cluster.net.heal()
  await cluster.until(cyd, { bob: 'up', ada: 'up' })
  await cluster.until(bob, { cyd: 'up', ada: 'up' })
  assert.equal(await watcher.run(async (mesh) => {
    const [to] = await mesh.available('again', { timeout: 60_000 })
    return mesh.client('again').where(undefined, { to })
  }), 'bob')
})

test('a token is good for one host and one time, and a host that leaves is let go', async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  const [eve] = await cluster.net.add(t, ['eve'])
  const token = await cluster.token()
  const changed = token.slice(0, 20) + (token[20] === 'A' ? 'B' : 'A') + token.slice(21)
  for (const bad of ['warren1:AAAA', 'hello', changed]) assert.equal((await eve.done(['join', bad])).code, 2)
  assert.equal((await eve.done(['join', token, '--name', 'eve'])).code, 0)
  const again = await bob.done(['join', token])
  assert.match(again.stderr, /is in a cluster already/)
  await cluster.done(eve, 'leave')
  const used = await eve.done(['join', token])
  assert.equal(used.code, 1)
  assert.match(used.stderr, /not joined: .*used/)
  // A stranger at the port hears nothing.
  const stranger = eve.start(process.env.WARREN_NODE, ['-e', `
    const socket = require('net').connect(7400, '${ada.address}', () => socket.write(Buffer.alloc(90, 7)))
    let heard = 0
    socket.on('data', (data) => { heard += data.length }).on('close', () => console.log('heard', heard)).on('error', () => {})`])
  await stranger.until(/heard 0/)
  assert.deepEqual(await cluster.states(ada), { ada: 'up', bob: 'up' })
  await cluster.done(bob, 'leave')
  await cluster.until(ada, { bob: 'left' })
  assert.equal((await bob.done(['hosts'])).code, 3)
})

test('a host that knows nobody any more finds its cluster by a source, and doctor says what it finds', async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  bob.agentProcess.kill('SIGTERM')
  await bob.agentProcess.ended
  fs.rmSync(path.join(bob.state, 'cluster/peers'))
  const list = path.join(bob.dir, 'hosts')
  const config = path.join(bob.state, 'cluster/config.json')
  fs.writeFileSync(config, JSON.stringify({ ...JSON.parse(fs.readFileSync(config)), discover: [`file:${list}`] }))
  bob.agentProcess = await bob.agent()
  assert.deepEqual(await cluster.states(bob), { bob: 'joining' })
  fs.writeFileSync(list, `${ada.address}:7400\n`)
  await cluster.sees(bob, [ada])
  const { code, stdout } = await bob.done(['doctor', '--json'])
  assert.equal(code, 0, stdout)
  const { checks } = JSON.parse(stdout)
  const text = (name) => checks.find(({ check }) => check === name).text
  assert.equal(text('discovery'), `file:${list}: 1 addresses`)
  assert.equal(text('host'), `ada is up: ${ada.address}:7400 takes connections`)
  // A firewall that lets connections pass and no datagrams.
  await bob.nft('add rule ip faults in udp dport 7400 drop')
  for (let said = ''; !/none comes from ada: open UDP/.test(said); ) said = (await bob.done(['doctor'])).stdout
  await cluster.net.heal()
  await cluster.net.isolate(ada)
  const ill = await bob.done(['doctor', '--json'])
  assert.equal(ill.code, 1)
  assert.match(JSON.parse(ill.stdout).checks.find(({ check }) => check === 'host').text, /10\.77\.0\.1:7400 cannot be reached: Connection timed out/)
})

test('a node that ran before its host was in a cluster is seen with the id that it has', async (t) => {
  const cluster = await Cluster.open(t, ['ada'])
  const [ada] = cluster.hosts
  const [bob] = await cluster.net.add(t, ['bob'])
  bob.agentProcess = await bob.agent()
  const early = await cluster.member(bob, 'early')
  await early.run(serve, 'early')
  const caller = await cluster.member(ada, 'caller')
  const join = async () => bob.done(['join', await cluster.token(), '--name', 'bob', '--advertise', `${bob.address}:7400`])
  assert.equal((await join()).code, 0)
  const seen = await caller.run(async (mesh) => {
    const [peer] = await mesh.available('early', { timeout: 20_000 })
    return { id: peer.id, echoed: await mesh.client('early').echo('hello') }
  })
  assert.deepEqual(seen, { id: await early.run((mesh) => mesh.self.id), echoed: 'hello' })
  // Who leaves gets other keys for its next cluster, and its nodes of before are not of those.
  await cluster.done(bob, 'leave')
  await join() // the good-bye may still have the port: then the agent tries again by itself
  await bob.agentProcess.until(/early is older than the keys of this host: other hosts see it once it was started again/)
  const late = await cluster.member(bob, 'late')
  await late.run(serve, 'late')
  assert.equal(await caller.run(async (mesh) => {
    await mesh.available('late', { timeout: 20_000 })
    return mesh.instances('early').length
  }), 0)
})

test('a host that is gone is a problem for doctor though its port takes connections', async (t) => {
  const cluster = await Cluster.open(t, ['ada', 'bob'])
  const [ada, bob] = cluster.hosts
  bob.agentProcess.kill('SIGSTOP')
  try {
    await cluster.until(ada, { bob: ['down', 'unreachable'] })
    const { code, stdout } = await ada.done(['doctor'])
    assert.equal(code, 1)
    assert.match(stdout, /^problem +host +bob is (down|unreachable): .*:7400 takes connections, but its agent is not heard: /m)
  } finally {
    bob.agentProcess.kill('SIGCONT')
  }
})
