// The search example on real nodes: its answers are grep's, whatever the shards, and however they die.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Cluster, DEADLINE_MS } from './cluster.mjs'
import { Grep, LICENSES, makeCorpus, someTerms } from './corpus.mjs'

const corpus = makeCorpus()
const directories = [corpus.root, LICENSES]
const QUERIES = ['alpha', 'mutex gamma', 'free software license', 'epoll_wait größe zebra9 beta', 'warranty']
const grep = new Grep(directories)
after(() => {
  grep.remove()
  corpus.remove()
})

const answersOf = async cluster => {
  const answers = []
  for (const query of QUERIES) {
    const { hits, total } = await cluster.findAll(query)
    answers.push({ query, hits, total })
  }
  return answers
}

describe('four shards and two fronts', { timeout: 120_000 }, () => {
  let cluster, ready, answers
  before(async () => {
    cluster = await Cluster.start()
    ready = await cluster.launchSearch({ shards: 4, fronts: 2, directories })
    answers = await answersOf(cluster)
  })
  after(() => cluster?.stop())

  test('every shard indexed a part, and what was left out is told', () => {
    assert.equal(ready.shards.length, 4)
    assert.ok(ready.shards.every(shard => shard.files > 0))
    assert.deepEqual(ready.skipped, { binary: 1, unreadable: 2 }) // the damaged one, and the one whose name is not text
    assert.equal(ready.files + 3, ready.found)
  })

  test('a word is found in the files in which grep finds it', async () => {
    const terms = someTerms(directories, 60)
    assert.ok(terms.length > 20)
    for (const term of ['alpha', 'mutex', 'epoll_wait', 'größe', 'zebra9', 'warranty', 'gnu', 'zebra', ...terms]) {
      const { hits, total, partial } = await cluster.find(term)
      assert.deepEqual(hits.map(hit => hit.path).sort(), grep.files(term), `files with "${term}"`)
      assert.equal(total, hits.length)
      assert.equal(partial, false)
    }
  })

  test('several words find the files with any of them, best first', async () => {
    const { hits, total } = await cluster.find('Zebra9, epoll_wait!')
    assert.deepEqual(hits.map(hit => hit.path).sort(), grep.files('zebra9', 'epoll_wait'))
    assert.equal(total, hits.length)
    assert.ok(hits.every((hit, i) => i === 0 || hits[i - 1].score >= hit.score))
  })

  test('hits show a line that has the word', async () => {
    const { body } = await cluster.get('/search?q=warranty&k=5')
    assert.equal(body.hits.length, 5)
    for (const { line, snippet } of body.hits) {
      assert.ok(line >= 1)
      assert.match(snippet, /warranty/i)
    }
  })

  test('a bad request gets one sentence', async () => {
    for (const path of ['/search', '/search?q=%20--', '/search?q=a&k=0', '/search?q=a&k=1e9', `/search?q=${'a'.repeat(1001)}`]) {
      const { code, body } = await cluster.get(path)
      assert.equal(code, 400, path)
      assert.equal(typeof body.error, 'string')
    }
    assert.equal((await cluster.get('/elsewhere')).code, 404)
  })

  test('both fronts answer on the one port', async () => {
    const fronts = new Set()
    while (fronts.size < 2) fronts.add((await cluster.get('/status')).front)
    assert.deepEqual([...fronts].sort(), ['front.0', 'front.1'])
  })

  test('a shard that hangs costs its part and not the answer, and nobody takes it for dead', async () => {
    const { body } = await cluster.get('/status')
    const { pid, files } = body.index.shards[0]
    process.kill(pid, 'SIGSTOP')
    const { partial, shards, total, ms } = await cluster.find('alpha')
    process.kill(pid, 'SIGCONT')
    assert.deepEqual({ partial, shards }, { partial: true, shards: 3 })
    assert.ok(total > 0 && total < answers[0].total)
    assert.ok(ms < DEADLINE_MS, `${ms} ms`)

    assert.deepEqual(await answersOf(cluster), answers)
    assert.equal((await cluster.get('/status')).body.index.shards.find(shard => shard.pid === pid).files, files)
  })

  test('a front that is stopped leaves the port to the other', async () => {
    await cluster.warren('stop', 'front.1')
    for (let i = 0; i < 20; i++) assert.equal((await cluster.get('/status')).front, 'front.0')
  })

  test('a killed shard is noticed, its part is indexed again, and the answers are equal', async () => {
    const { body } = await cluster.get('/status')
    const victim = body.index.shards.sort((a, b) => b.files - a.files)[0]
    process.kill(victim.pid, 'SIGKILL')

    const down = await cluster.next('search.shard.down')
    assert.deepEqual([down.shard, down.reason, down.signal], [victim.name, 'killed', 'SIGKILL'])
    assert.equal(down.lost.files, victim.files)
    assert.equal((await cluster.next('search.ready')).files, ready.files)
    assert.deepEqual(await answersOf(cluster), answers)
  })

  test('all shards killed at once: an answer that lacks something says so, then everything is found again', async () => {
    const { body } = await cluster.get('/status')
    for (const { pid } of body.index.shards) process.kill(pid, 'SIGKILL')
    for (const _ of body.index.shards) await cluster.next('search.shard.down')
    const { code, body: answer } = await cluster.get('/search?q=alpha')
    assert.ok(code === 503 || answer.partial || answer.total === answers[0].total, `${code} ${JSON.stringify(answer)}`)

    assert.equal((await cluster.next('search.ready')).files, ready.files)
    assert.deepEqual(await answersOf(cluster), answers)
  })

  test('a killed coordinator begins anew, and the answers are equal', async () => {
    const before = (await cluster.get('/status')).body.index
    const coordinator = JSON.parse(await cluster.warren('ps', '--json')).nodes.find(node => node.service === 'coordinator')
    process.kill(coordinator.pid, 'SIGKILL')

    const { run, files } = await cluster.next('search.ready')
    assert.ok(run > before.run)
    assert.equal(files, ready.files)
    assert.deepEqual(await answersOf(cluster), answers)
  })

  test('one shard gives the same answers as four', async () => {
    const single = await Cluster.start()
    try {
      await single.launchSearch({ shards: 1, directories })
      assert.deepEqual(await answersOf(single), answers)
    } finally {
      await single.stop()
    }
  })
})
