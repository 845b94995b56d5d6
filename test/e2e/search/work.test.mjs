// The search example's book of batches, and the walk that fills it.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { rootsOf, walk } from '../../../examples/search/walk.mjs'
import { Work } from '../../../examples/search/work.mjs'

const RESULT = { files: 1, bytes: 10, skipped: {} }

function workWith(batches, shards, outMax = 2) {
  const work = new Work({ outMax })
  for (let i = 0; i < batches; i++) work.addBatch([`file/${i}`])
  for (const shard of shards) work.addShard(shard)
  return work
}

// Hands out all that can be: what each shard got, by its name.
function handOut(work) {
  const got = {}
  for (let next; (next = work.next()); ) (got[next.shard] ??= []).push(next.batch)
  return got
}

const ids = batches => batches.map(batch => batch.id)

test('a shard has at most so many batches at a time, and gets the next when it answers', () => {
  const work = workWith(6, ['a', 'b'])
  const { a, b } = handOut(work)
  assert.deepEqual([ids(a), ids(b)], [[0, 2], [1, 3]])

  assert.equal(work.finish('a', a[1], RESULT), true)
  const next = handOut(work)
  assert.deepEqual([Object.keys(next), ids(next.a)], [['a'], [4]])
  assert.equal(work.isDone, false)
})

test('of idle shards the one that holds least gets the next batch', () => {
  const work = workWith(3, ['a', 'b', 'c'])
  for (const shard of ['a', 'b', 'c']) {
    const next = work.next()
    assert.equal(next.shard, shard)
    work.finish(shard, next.batch, RESULT)
  }
})

test('work is done when every batch is held', () => {
  const work = workWith(2, ['a'])
  for (const batch of handOut(work).a) {
    assert.equal(work.isDone, false)
    work.finish('a', batch, { files: 3, bytes: 10, skipped: { binary: 1 } })
  }
  assert.equal(work.isDone, true)
  assert.deepEqual(work.progress, { batches: 2, held: 2, files: 6, bytes: 20, skipped: { binary: 2 } })
  assert.deepEqual(work.holdings('a'), { out: 0, held: 2, files: 6 })
})

test('what a dead shard held and had waits again, before all else', () => {
  const work = workWith(5, ['a'])
  const [held, out] = handOut(work).a
  work.finish('a', held, RESULT)

  assert.deepEqual(work.removeShard('a'), { batches: 1, files: 1 })
  assert.equal(work.progress.held, 0)
  work.addShard('b')
  assert.deepEqual(handOut(work).b, [held, out])
})

test('an answer that comes after the news of the death changes nothing', () => {
  const work = workWith(1, ['a', 'b'])
  const { shard, batch } = work.next()
  assert.equal(shard, 'a')
  work.removeShard('a')
  assert.equal(work.finish('a', batch, RESULT), false)
  assert.equal(work.isDone, false)
  assert.deepEqual(work.next(), { shard: 'b', batch })
  assert.equal(work.finish('b', batch, RESULT), true)
  assert.equal(work.isDone, true)
})

test('without a shard the work waits, and an unknown shard has nothing', () => {
  const work = workWith(1, [])
  assert.equal(work.isDone, false)
  assert.equal(work.next(), undefined)
  assert.deepEqual(work.removeShard('stranger'), { batches: 0, files: 0 })
})

test('a batch that kills every shard is given up and told', () => {
  const work = workWith(1, ['a', 'b', 'c', 'd'])
  for (const shard of ['a', 'b', 'c']) {
    assert.equal(work.next().shard, shard)
    work.removeShard(shard)
  }
  assert.equal(work.next(), undefined)
  assert.equal(work.isDone, true)
  assert.deepEqual(work.progress.skipped, { 'given up': 1 })
})

test('a batch that was indexed once is to blame for no death', () => {
  const work = workWith(1, ['a', 'b', 'c', 'd', 'e'])
  work.finish('a', work.next().batch, RESULT)
  work.removeShard('a')
  for (const shard of ['b', 'c', 'd']) {
    assert.equal(work.next().shard, shard)
    work.removeShard(shard)
  }
  assert.equal(work.next().shard, 'e')
  assert.deepEqual(work.progress.skipped, {})
})

test('a held batch may lose its shard as often as it likes', () => {
  const work = workWith(1, [])
  for (const shard of ['a', 'b', 'c', 'd', 'e']) {
    work.addShard(shard)
    work.finish(shard, work.next().batch, RESULT)
    assert.equal(work.isDone, true)
    work.removeShard(shard)
  }
  assert.equal(work.isDone, false)
})

test('the walk finds regular files in one order, and follows no links', t => {
  const dir = mkdtempSync(join(tmpdir(), 'search-walk-'))
  t.after(() => rmSync(dir, { recursive: true }))
  mkdirSync(join(dir, 'b'))
  for (const name of ['c', 'b/odd name\n', 'a', 'B']) writeFileSync(join(dir, name), '')
  symlinkSync('..', join(dir, 'b', 'loop'))
  symlinkSync('a', join(dir, 'link'))

  const unreadable = []
  const found = [...walk(dir), ...walk(join(dir, 'missing'), path => unreadable.push(path))]
  assert.deepEqual(found, ['B', 'a', 'b/odd name\n', 'c'].map(name => join(dir, name)))
  assert.deepEqual(unreadable, [join(dir, 'missing')])
})

test('directories given twice, or inside another, are walked once', t => {
  const dir = mkdtempSync(join(tmpdir(), 'search-roots-'))
  t.after(() => rmSync(dir, { recursive: true }))
  for (const name of ['doc', 'doc/inner', 'doc2']) mkdirSync(join(dir, name))
  symlinkSync('doc/inner', join(dir, 'alias'))

  const given = ['doc/inner', 'doc2', 'doc', 'alias', 'doc/'].map(name => join(dir, name))
  assert.deepEqual(rootsOf(given), [join(dir, 'doc2'), join(dir, 'doc')])
  assert.deepEqual(rootsOf(['/', dir]), ['/'])
  assert.throws(() => rootsOf([join(dir, 'missing')]), { code: 'ENOENT' })
})
