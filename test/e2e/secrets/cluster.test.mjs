// Secrets of the cluster: set on one host, had by all of them, and by nobody else. Hosts in network namespaces, with each kind of store.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Deployment } from '../deploy/hosts.mjs'
import { skip } from '../hosts/net.mjs'

const NAMES = ['ada', 'bob', 'cy']
const [ONE, TWO, OWN, LATER] = ['correct-horse', 'battery-staple', 'of-this-host', 'not-for-bob'].map((word) => `${word}-${process.pid}`)
const SERVER = "require('node:http').createServer((request, response) => response.end(process.env.WORD)).listen(process.env.PORT)\n"

// With a service that tells its secret to whoever asks.
async function open(t, options, names = NAMES) {
  const it = await Deployment.open(t, names, options)
  it.box.write('server.js', SERVER)
  it.box.service({ instances: { perHost: 1 }, secrets: ['WORD'] })
  return it
}

async function set(host, name, value, args = ['--cluster']) {
  const proc = host.warren(['secret', 'set', ...args, name])
  proc.stdin.end(value)
  return proc.ended
}
async function ok(host, ...args) {
  const end = await host.done(args)
  assert.equal(end.code, 0, `${args.join(' ')} on ${host.name}: ${end.stderr}`)
  return end.stdout
}
const list = async (host) => JSON.parse(await ok(host, 'secret', 'list', '--json'))

// What the cluster has as WORD, as this host sees it, once that is so.
async function until(host, isSo) {
  for (;;) {
    const word = (await list(host)).cluster.find(({ name }) => name === 'WORD')
    if (isSo(word)) return word
  }
}
const has = (hosts, version) => Promise.all(hosts.map((host) => until(host, (word) => word?.version === version && word.readable)))
const reload = (hosts) => Promise.all(hosts.map((host) => ok(host, 'reload', 'api')))
const all = (hosts, word) => Object.fromEntries(hosts.map(({ name }) => [name, word]))

// What the store has under a key, and what it is made to have, behind the backs of the hosts.
function storeOf(it) {
  const ask = async (what, key, body) => JSON.parse(await it.ask(['-s', '-d', JSON.stringify({ key: Buffer.from(`/warren/sealed/${key}`).toString('base64'), ...body }),
    `${it.etcd.place.replace('etcd:', 'http:')}/v3/kv/${what}`]))
  return {
    get: async (key) => (await ask('range', key)).kvs?.[0].value,
    put: (key, value) => ask('put', key, { value }),
    delete: (key) => ask('deleterange', key),
  }
}

function* filesOf(dir) {
  for (const item of fs.readdirSync(dir, { withFileTypes: true })) {
    const file = path.join(dir, item.name)
    if (item.isDirectory()) yield* filesOf(file)
    else if (item.isFile()) yield file
  }
}
// What the hosts and the store have on disk, and what the agents and these commands wrote.
async function mustNotBeFound(it, words) {
  const texts = it.hosts.map(({ agentProcess }) => agentProcess.output)
  for (const host of it.hosts)
    for (const args of [['secret', 'list'], ['events', '--json'], ['ps', '--json'], ['status', '--json']]) texts.push((await host.done(args)).stdout)
  let count = 0
  for (const host of [...it.hosts, it.client])
    for (const file of filesOf(host.dir)) {
      const bytes = await fs.promises.readFile(file).catch((err) => assert.equal(err.code, 'ENOENT')) // it is gone since
      if (!bytes) continue
      for (const word of words) assert.ok(!bytes.includes(word), `${file} has ${word}`)
      count++
    }
  assert.ok(count > 10)
  for (const text of texts) for (const word of words) assert.ok(!text.includes(word), text)
}

async function live(t, options) {
  const it = await open(t, options)
  const [ada, bob, cy] = it.hosts
  assert.equal((await set(ada, 'WORD', `${ONE}\n`)).code, 0)
  await has(it.hosts, 1)
  await it.box.deploy()
  assert.deepEqual(await it.words(), all(it.hosts, ONE))

  assert.equal((await set(bob, 'WORD', TWO)).code, 0)
  assert.equal((await has(it.hosts, 2))[0].by, 'bob')
  await reload(it.hosts)
  assert.deepEqual(await it.words(), all(it.hosts, TWO))

  // A host's own stands above it, there alone.
  const own = await set(cy, 'WORD', OWN, [])
  assert.match(own.stdout, /on this host alone \(--cluster: on all of them\)/)
  await reload([cy])
  assert.deepEqual(await it.words(), { ada: TWO, bob: TWO, cy: OWN })
  assert.equal((await until(cy, () => true)).hidden, true)
  assert.match(await ok(cy, 'secret', 'list'), /WORD +host *\nWORD +cluster \(hidden here\) +\S+ +bob +3 of 3/)
  await ok(cy, 'secret', 'rm', 'WORD')
  await reload([cy])

  // Who joins later gets it.
  const [dee] = await it.net.add(t, ['dee'])
  dee.agentArgs = ada.agentArgs
  await it.cluster.join(dee)
  it.hosts.push(dee)
  await has([dee], 2)
  await it.box.until((project) => project.services[0].ready === 4)
  assert.deepEqual(await it.words(), all(it.hosts, TWO))

  // Removed it is gone everywhere, and a deployment says where it is missing.
  await ok(dee, 'secret', 'rm', '--cluster', 'WORD')
  for (const host of it.hosts) await until(host, (word) => word === undefined)
  assert.equal((await ada.done(['secret', 'rm', '--cluster', 'WORD'])).code, 3)
  it.box.write('more.js', '')
  const { deployed } = await it.box.deploy([], 1)
  assert.match(deployed.why, /api needs the secret WORD, which is not set on the host (ada|bob|cy|dee): `warren secret set --cluster WORD`/)
  await mustNotBeFound(it, [ONE, TWO, OWN])

  // Who leaves is no longer one of them.
  if (options.keeper) return
  await ok(dee, 'leave')
  while ((await list(ada)).hosts.includes('dee')) continue
  assert.deepEqual((await list(dee)).cluster, [])
}

test('set on one host it is had by all, and by who joins later, and is nowhere in the clear', { skip }, (t) => live(t, {}))

test('the same where the store is the file of one of them', { skip }, (t) => live(t, { keeper: 'bob' }))

test('a host that was revoked cannot read what is set from then on, whatever the store says', { skip }, async (t) => {
  const it = await open(t, {})
  const [ada, bob, cy] = it.hosts
  const store = storeOf(it)
  const { id } = JSON.parse(await ok(bob, 'hosts', '--json')).hosts.find(({ name }) => name === 'bob')
  await set(ada, 'WORD', ONE)
  await has(it.hosts, 1)
  await until(cy, (word) => word.hosts === 3)
  const its = await store.get(`host/${id}`)
  assert.equal((await ada.done(['secret', 'revoke', 'nobody'])).code, 3)
  assert.equal((await bob.done(['secret', 'revoke', 'bob'])).code, 1)
  assert.match(await ok(cy, 'secret', 'revoke', 'bob'), /^bob gets no secret that is set from now on/)
  for (const { agentProcess } of [ada, cy]) await agentProcess.until(/the host bob gets no secrets of the cluster from now on/)
  await bob.agentProcess.until(/this host \(bob\) gets no secrets of its cluster from now on/)
  await set(ada, 'WORD', LATER)
  await has([ada, cy], 2)
  const seen = await until(bob, (word) => word.version === 2)
  assert.equal(seen.readable, false)
  const refused = await set(bob, 'WORD', 'x')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /this host was revoked/)
  // The store has forgotten that it was, and has its key again: the hosts have not, also when they are started anew.
  await ada.killAgent(ada.agentProcess)
  ada.agentProcess = await ada.agent()
  await store.delete(`revoked/${id}`)
  while (!(await store.get(`revoked/${id}`))) continue
  await store.put(`host/${id}`, its)
  for (const word of ['again', 'and again']) // with the second one ada has seen what was there before the first
    while ((await set(ada, 'WORD', `${LATER} ${word}`)).code !== 0) continue
  const { version } = await until(ada, (word) => word.version > 3)
  await has([ada, cy], version)
  assert.equal((await until(bob, (word) => word.version === version)).readable, false)
  for (const host of [ada, cy]) assert.deepEqual((await list(host)).hosts.sort(), ['ada', 'cy'])
  await mustNotBeFound(it, [ONE, LATER])
})

test('while the store is away each host has what it had, also a new agent', { skip }, async (t) => {
  const it = await open(t, {})
  const [ada, bob] = it.hosts
  await set(ada, 'WORD', ONE)
  await has(it.hosts, 1)
  await it.box.deploy()
  await it.etcd.stop()
  await bob.killAgent(bob.agentProcess)
  bob.agentProcess = await bob.agent()
  const word = await until(bob, () => true)
  assert.equal(word.readable, true)
  const [{ pid }] = await bob.nodes()
  process.kill(pid, 'SIGKILL')
  while ((await it.words()).bob !== ONE || (await bob.nodes())[0].pid === pid) continue
  const refused = await set(ada, 'WORD', TWO)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /etcd/)
  await it.etcd.start()
  while ((await set(ada, 'WORD', TWO)).code !== 0) continue
  await has(it.hosts, 2)
})

test('a store that goes back to an older value, or forgets it, is put right by the hosts', { skip }, async (t) => {
  const it = await open(t, {})
  const [ada, bob] = it.hosts
  const store = storeOf(it)
  const value = () => store.get('value/WORD')
  await set(ada, 'WORD', ONE)
  await has(it.hosts, 1)
  const older = await value()
  await set(ada, 'WORD', TWO)
  await has(it.hosts, 2)
  await store.put('value/WORD', older)
  await Promise.any(it.hosts.map(({ agentProcess }) => agentProcess.until(/the secret WORD of the cluster is not used: this host has a newer one/)))
  while ((await value()) === older) continue
  await store.delete('value/WORD')
  while (!(await value())) continue
  await has(it.hosts, 2)
  // What no host has signed is not taken.
  const forged = Buffer.from(await value(), 'base64')
  forged[forged.length - 1] ^= 1 // of the signature
  await store.put('value/WORD', forged.toString('base64'))
  await bob.agentProcess.until(/the secret WORD of the cluster is not used: no host of this cluster has signed that/)
  await has(it.hosts, 2)
  await it.box.deploy()
  assert.deepEqual(await it.words(), all(it.hosts, TWO))
})

test('a host that can share nothing says why', { skip }, async (t) => {
  const it = await open(t, { keeper: 'ada' }, ['ada', 'bob'])
  const [ada] = it.hosts
  const [lone] = await it.net.add(t, ['lone'])
  await lone.agent()
  const refused = await set(lone, 'WORD', ONE)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /a store that its hosts share.*--store host:NAME/)
  for (const [args, code, text] of [
    [['secret', 'list', '--cluster'], 2, /--cluster is of set and rm/],
    [['secret', 'revoke'], 2, /which host\?/],
    [['secret', 'rm', '--cluster', 'WORD'], 3, /the cluster has no secret WORD/],
  ]) {
    const end = await ada.done(args)
    assert.equal(end.code, code, end.stderr)
    assert.match(end.stderr, text)
  }
})
