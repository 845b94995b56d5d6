// The examples as they are, over three hosts: nothing in them knows of hosts.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Grep, LICENSES, makeCorpus } from '../search/corpus.mjs'
import { Cluster } from './cluster.mjs'
import { skip } from './net.mjs'

const examples = fileURLToPath(new URL('../../../examples', import.meta.url))
const browserProgram = fileURLToPath(new URL('browser.mjs', import.meta.url))
const NAMES = ['ada', 'bob', 'cyd']

// ---- search

// Runs in a member: what the search publishes, one event after the other.
const listen = async (mesh, keep) => {
  keep.events = mesh.subscribe('search.ready')
  await keep.events.ready
}
const nextReady = async (mesh, keep) => (await keep.events.next()).value.data

class Search {
  constructor(cluster) {
    this.cluster = cluster
  }
  run(host, name, instances, ...args) {
    const program = path.join(examples, 'search', `${name}.mjs`)
    return this.cluster.done(host, 'run', '-d', '--name', name, '-i', String(instances), program, '--', ...args)
  }
  async find(host, query) {
    const url = `http://127.0.0.1:8080/search?${new URLSearchParams({ q: query, k: 1000 })}`
    const { stdout } = await host.start(process.env.WARREN_NODE, ['-e', `fetch('${url}', { headers: { connection: 'close' } })
      .then((response) => response.text()).then((text) => process.stdout.write(text))`]).ended
    return JSON.parse(stdout)
  }
  // A front may hear of a new shard a moment after the coordinator did.
  async findAll(host, query) {
    for (;;) {
      const { hits, total, partial } = await this.find(host, query)
      if (!partial) return { hits, total }
    }
  }
}

const searchOverHosts = async (t) => {
  const corpus = makeCorpus(), directories = [corpus.root, LICENSES], grep = new Grep(directories)
  t.after(() => {
    grep.remove()
    corpus.remove()
  })
  const cluster = await Cluster.open(t, NAMES), [ada, bob, cyd] = cluster.hosts
  const search = new Search(cluster), watcher = await cluster.member(ada, 'watcher')
  await watcher.run(listen)
  await search.run(bob, 'shard', 2)
  await search.run(cyd, 'shard', 1)
  await search.run(ada, 'front', 1, '--port', '8080')
  await watcher.run((mesh) => mesh.available('shard', { count: 3, timeout: 30_000 }).then(() => true))
  await search.run(cyd, 'coordinator', 1, ...directories)
  const ready = await watcher.run(nextReady)
  t.diagnostic(`${ready.files} files on ${ready.shards.length} shards of two hosts`)
  assert.equal(ready.shards.length, 3)
  assert.ok(ready.shards.every((shard) => shard.files > 0))
  const queries = ['alpha', 'mutex gamma', 'epoll_wait größe zebra9 beta', 'warranty']
  const ask = async () => {
    const answers = []
    for (const query of queries) answers.push(await search.findAll(ada, query))
    return answers
  }
  const before = await ask()
  for (const [i, query] of queries.entries())
    assert.deepEqual(before[i].hits.map((hit) => hit.path).sort(), grep.files(...query.split(' ')), query)
  // A shard of another host dies: what it held is indexed again, and the answers are the same.
  const pid = await watcher.run((mesh) => mesh.instances('shard').find((peer) => peer.host === 'bob').pid)
  process.kill(pid, 'SIGKILL')
  await watcher.run(nextReady)
  assert.deepEqual(await ask(), before)
  // So it is when the whole host goes.
  await cluster.net.isolate(bob)
  await cluster.until(ada, { bob: 'down' })
  await watcher.run(nextReady)
  assert.deepEqual(await ask(), before)
}

// ---- chat

class Chat {
  static async open(cluster) {
    const chat = new Chat()
    const [first] = cluster.hosts
    chat.cluster = cluster
    chat.dir = path.join(first.dir, 'chat')
    cpSync(path.join(examples, 'chat'), chat.dir, { recursive: true, filter: (file) => !file.includes('node_modules') })
    await promisify(execFile)('npm', ['install', '--prefix', chat.dir, '--no-audit', '--no-fund', '--loglevel=error'])
    for (const host of cluster.hosts) {
      await cluster.done(host, 'run', '-d', path.join(chat.dir, 'server.mjs'), '--name', 'chat', '--', '--port', '8090')
      await host.warren(['logs', '-f', 'chat']).until(/http:/)
    }
    const watcher = await cluster.member(first, 'watcher')
    await watcher.run((mesh) => mesh.available('chat', { count: 3, timeout: 30_000 }).then(() => true))
    return chat
  }
  browser(host) {
    return host.start(process.env.WARREN_NODE, [browserProgram, this.dir, 'ws://127.0.0.1:8090/'])
  }
  async enter(host, user) {
    const browser = this.browser(host)
    browser.say = (message) => browser.stdin.write(JSON.stringify(message) + '\n')
    browser.say({ join: 'lobby', as: user })
    await browser.until(new RegExp(`"here":"${user}"`))
    return browser
  }
}

const chatOverHosts = async (t) => {
  const cluster = await Cluster.open(t, NAMES), [ada, bob, cyd] = cluster.hosts
  const chat = await Chat.open(cluster)
  const ann = await chat.enter(ada, 'ann'), ben = await chat.enter(bob, 'ben')
  await ann.until(/"here":"ben"/)
  const cat = await chat.enter(cyd, 'cat')
  await Promise.all([ann, ben].map((browser) => browser.until(/"here":"cat"/)))
  ann.say({ say: 'hello all' })
  await Promise.all([ann, ben, cat].map((browser) => browser.until(/"from":"ann","text":"hello all"/)))
  // A host that is cut off: its people are gone for the others, and those go on.
  await cluster.net.isolate(cyd)
  await Promise.all([ann, ben].map((browser) => browser.until(/"gone":"cat"/)))
  await Promise.all(['ann', 'ben'].map((user) => cat.until(new RegExp(`"gone":"${user}"`))))
  ben.say({ say: 'is cat gone?' })
  await ann.until(/is cat gone/)
  // And back.
  const heard = ann.output.length
  await cluster.net.heal()
  await Promise.all([ann.until(/"here":"cat"/, heard), cat.until(/"gone":"ben"[^]*"here":"ben"/)])
  cat.say({ say: 'here I am' })
  await Promise.all([ann, ben].map((browser) => browser.until(/here I am/)))
  assert.ok(!cat.output.includes('is cat gone'))
}

// ---- files

const filesOverHosts = async (t) => {
  const cluster = await Cluster.open(t, NAMES), [ada, bob, cyd] = cluster.hosts
  for (const host of [bob, cyd]) {
    const store = path.join(host.dir, 'store')
    mkdirSync(store)
    await cluster.done(host, 'run', '-d', path.join(examples, 'files', 'store.mjs'), '--name', `store-${host.name}`, '--', store)
  }
  const copy = (host, ...args) => host.start(process.env.WARREN_NODE, [path.join(examples, 'files', 'copy.mjs'), ...args])
  const done = async (...args) => {
    const { code, stderr } = await copy(...args).ended
    assert.equal(code, 0, stderr)
  }
  const sent = path.join(ada.dir, 'large'), back = path.join(cyd.dir, 'back')
  writeFileSync(sent, randomBytes(20 << 20))
  await done(ada, 'put', sent, 'large', '--to', 'bob')
  await done(cyd, 'get', 'large', back, '--to', 'store-bob')
  assert.deepEqual(readFileSync(back), readFileSync(sent))
  // A host that is cut off while a file goes there: the copy fails, and nothing stays.
  truncateSync(sent, 2 ** 32)
  const put = copy(ada, 'put', sent, 'half', '--to', 'bob')
  const names = () => readdirSync(path.join(bob.dir, 'store'))
  while (!names().some((name) => name.endsWith('.part'))) await new Promise(setImmediate)
  await cluster.net.isolate(bob)
  assert.equal((await put.ended).code, 1)
  while (names().length > 1) await new Promise(setImmediate)
  assert.deepEqual(names(), ['large'])
}

test('examples over three hosts', { concurrency: true, skip }, (t) => Promise.all([
  t.test('search: shards, front and coordinator on different hosts answer as grep does, whatever dies', searchOverHosts),
  t.test('chat: one room over three hosts, and who is in it', chatOverHosts),
  t.test('files: they come over whole, or not at all', filesOverHosts),
]))
