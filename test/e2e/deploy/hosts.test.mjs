// Deployments on three hosts that share a store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip } from '../hosts/net.mjs'
import { Deployment } from './hosts.mjs'

const NAMES = ['ada', 'bob', 'cy']
const all = (word) => ({ ada: word, bob: word, cy: word })
const hostsOf = ({ services }) => services[0].instances.map(({ host }) => host).sort()

async function changeUnderLoad(t, options) {
  const it = await Deployment.open(t, NAMES, options)
  it.box.service({ instances: { perHost: 2 } })
  await it.box.deploy()
  assert.deepEqual(await it.words(), all('one'))
  const requests = it.load()
  for (const word of ['two', 'three', 'four']) {
    it.box.word(word)
    const { shipped } = await it.box.deploy()
    assert.ok(shipped.bytesSent < 8192, `${shipped.bytesSent} bytes`)
    assert.deepEqual(await it.words(), all(word))
  }
  const { count, failed } = await requests.stop()
  assert.ok(count > 0)
  assert.equal(failed, 0, `of ${count} requests`)
  it.box.word('broken')
  const { deployed } = await it.box.deploy([], 1)
  assert.match(deployed.why, /api\.\d@(ada|bob|cy)/)
  assert.ok(deployed.lastLines.includes('no database'))
  assert.deepEqual(await it.words(), all('four'))
}

test('all hosts get a release from each other, and no request is lost while they change', { skip }, (t) => changeUnderLoad(t, {}))

test('the same where the store is the file of one of them', { skip }, (t) => changeUnderLoad(t, { keeper: 'bob' }))

test('the host that has the store dies, and everything runs on until it is back', { skip }, async (t) => {
  const it = await Deployment.open(t, NAMES, { keeper: 'bob' })
  it.box.service({ instances: { perHost: 1 } })
  await it.box.deploy()
  const bob = it.host('bob')
  await bob.killAgent(bob.agentProcess)
  const away = it.box.warren(['status', '-f'])
  await away.until(/what runs, runs on, and changes wait for the store host:bob/)
  assert.deepEqual(await it.words(), all('one'))
  await bob.agent()
  await away.until(/the store host:bob answers/)
  away.end()
  it.box.word('two')
  await it.box.deploy()
  assert.deepEqual(await it.words(), all('two'))
})

test('the leader dies in the midst of a rollout, and another one ends it', { skip }, async (t) => {
  const it = await Deployment.open(t, NAMES)
  it.box.service({ instances: { perHost: 2 } })
  await it.box.deploy()
  const leader = it.host(await it.leader())
  const other = it.hosts.find((host) => host !== leader)
  it.box.at(other)
  it.box.word('two')
  await it.box.ok(['deploy', '-d'])
  await it.box.until(({ services }) => services[0]?.updated >= 1)
  await leader.killAgent(leader.agentProcess)
  await it.box.until(({ phase, deployment }, { leader: now }) => deployment === 2 && phase === 'done' && now !== leader.name)
  await leader.agent()
  await it.box.until(({ services }, { hosts }) => hosts.length === 3 && services[0].ready === 6 && services[0].updated === 6)
  assert.deepEqual(await it.words(), all('two'))
})

test('what a lost host ran is begun elsewhere, and comes back with it', { skip }, async (t) => {
  const it = await Deployment.open(t, NAMES)
  it.box.service({ instances: 3, placement: { spread: true }, disconnect: { replace: '1s' } })
  await it.box.deploy()
  assert.deepEqual(hostsOf(await it.box.shop()), NAMES)
  const lost = it.host('cy')
  await it.net.isolate(lost)
  await it.net.cut(lost, it.etcd.host)
  await it.box.until(({ services }) => services[0].instances.filter(({ host, state }) => host !== 'cy' && state === 'ready').length === 3)
  assert.match(await lost.done(['ps', '--json']).then(({ stdout }) => stdout), /"state":"up"/, 'it runs on where nobody hears of it')
  await it.net.heal()
  await it.etcd.host.nft('flush chain ip faults in')
  await it.box.until((project) => hostsOf(project).join() === NAMES.join() && project.services[0].ready === 3)
})

test('a host is drained, and takes instances again', { skip }, async (t) => {
  const it = await Deployment.open(t, NAMES)
  it.box.service({ instances: 3, placement: { spread: true } })
  await it.box.deploy()
  await it.box.ok(['drain', 'bob', '--wait'])
  assert.ok(!hostsOf(await it.box.shop()).includes('bob'))
  assert.equal((await it.host('bob').nodes()).filter(({ state }) => state === 'up').length, 0)
  await it.box.ok(['undrain', 'bob'])
  await it.box.until((project) => hostsOf(project).join() === NAMES.join() && project.services[0].ready === 3)
})

test('while the store is away everything runs on and says so, and nothing is changed', { skip }, async (t) => {
  const it = await Deployment.open(t, NAMES)
  it.box.service({ instances: { perHost: 1 } })
  await it.box.deploy()
  await it.etcd.stop()
  const away = it.box.warren(['status', '-f'])
  await away.until(/what runs, runs on, and changes wait for the store etcd:/)
  assert.deepEqual(await it.words(), all('one'))
  it.box.word('two')
  const refused = await it.box.done(['deploy'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /etcd/)
  assert.deepEqual(await it.words(), all('one'))
  await it.etcd.start()
  await away.until(/the store etcd:\S+ answers/)
  away.end()
  await it.box.until(({ services }, { hosts }) => hosts.length === 3 && services[0].ready === 3)
  await it.box.deploy()
  assert.deepEqual(await it.words(), all('two'))
})

test('services go where their labels say, and what has no place is told with why', { skip }, async (t) => {
  const it = await Deployment.open(t, NAMES, { labels: { ada: 'zone=a', bob: 'zone=b,disk=ssd', cy: 'zone=b' } })
  it.box.service({ instances: 2, placement: { labels: { disk: 'ssd' } } })
  await it.box.deploy()
  assert.deepEqual(hostsOf(await it.box.shop()), ['bob', 'bob'])
  it.box.service({ instances: 1, placement: { labels: { disk: 'tape' } } }, 'cold')
  const { deployed } = await it.box.deploy([], 1)
  assert.match(deployed.why, /cold cannot be placed .*disk=tape/)
  assert.deepEqual(hostsOf(await it.box.shop()), ['bob', 'bob'])
})
