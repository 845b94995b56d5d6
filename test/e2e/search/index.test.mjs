// The search example's index: BM25, and answers that do not depend on how documents lie on shards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { best, Index, sum } from '../../../examples/search/index.mjs'
import { termsOf } from '../../../examples/search/text.mjs'

function indexOf(documents) {
  const index = new Index()
  for (const [path, text] of documents) index.add(path, termsOf(text))
  return index
}

// A query as the front makes it, over parts in one process.
function searchAll(parts, terms, k = 10) {
  const whole = sum(parts.map(part => part.summary(terms)))
  const results = parts.map(part => part.search(terms, whole, k))
  return { hits: best(results.flatMap(result => result.hits), k), total: results.reduce((n, r) => n + r.total, 0) }
}

// Numbers that look random and are the same in every run.
function* numbers(seed) {
  for (let state = seed; ; yield state / 2 ** 32) state = (Math.imul(state, 1664525) + 1013904223) >>> 0
}

test('a score is the BM25 of the textbook', () => {
  const index = indexOf([['a', 'red red blue'], ['b', 'blue'], ['c', 'green green']])
  const { hits, total } = searchAll([index], ['red'])

  const [N, df, tf, length, average] = [3, 1, 2, 3, 6 / 3]
  const expected = Math.log(1 + (N - df + 0.5) / (df + 0.5)) * ((tf * 2.2) / (tf + 1.2 * (0.25 + 0.75 * (length / average))))
  assert.equal(total, 1)
  assert.equal(hits[0].path, 'a')
  assert.ok(Math.abs(hits[0].score - expected) < 1e-12)
})

test('rare terms, repeated terms and short documents come first', () => {
  const rank = (documents, ...terms) => searchAll([indexOf(documents)], terms).hits.map(hit => hit.path)
  assert.deepEqual(rank([['a', 'common x'], ['b', 'rare x'], ['c', 'common y']], 'common', 'rare'), ['b', 'a', 'c'])
  assert.deepEqual(rank([['a', 'w x y z'], ['b', 'w w y z'], ['c', 'v v v v']], 'w'), ['b', 'a'])
  assert.deepEqual(rank([['a', 'w x y z x y z'], ['b', 'w x'], ['c', 'v']], 'w'), ['b', 'a'])
})

test('equal scores are ordered by path', () => {
  const documents = ['z/1', 'a/2', 'Ä/3', 'a/1'].map(path => [path, 'same words'])
  assert.deepEqual(searchAll([indexOf(documents)], ['same']).hits.map(hit => hit.path), ['a/1', 'a/2', 'z/1', 'Ä/3'])
})

test('a term nobody has, an empty document and an empty index are no trouble', () => {
  const index = indexOf([['empty', ''], ['one', 'word']])
  assert.deepEqual(searchAll([index], ['absent']), { hits: [], total: 0 })
  assert.deepEqual(searchAll([index, new Index()], ['word']).hits.map(hit => hit.path), ['one'])
  assert.deepEqual(searchAll([new Index()], ['word']), { hits: [], total: 0 })
})

test('names that mean something to JavaScript are words like others', () => {
  const index = indexOf([['a', 'constructor __proto__'], ['b', 'hasOwnProperty toString']])
  assert.equal(searchAll([index], ['constructor']).total, 1)
  assert.equal(searchAll([index], ['__proto__']).total, 1)
  assert.equal(searchAll([index], ['valueof']).total, 0)
})

test('any distribution over any number of shards gives the same answer to the last bit', () => {
  const random = numbers(7)
  const pick = count => Math.floor(random.next().value * count)
  const documents = Array.from({ length: 300 }, (_, i) => {
    const words = Array.from({ length: pick(60) }, () => `w${Math.floor(40 * random.next().value ** 3)}`)
    return [`doc/${i}`, words.join(' ')]
  })
  const queries = [['w0'], ['w1', 'w30'], ['w39', 'w2', 'w17'], ['w38', 'nowhere']]
  const expected = queries.map(terms => searchAll([indexOf(documents)], terms, 25))
  assert.ok(expected.every(({ total }) => total > 0))

  for (const count of [2, 4, 9]) {
    const piles = Array.from({ length: count }, () => [])
    for (const document of documents) piles[pick(count)].push(document)
    const answers = queries.map(terms => searchAll(piles.map(indexOf), terms, 25))
    assert.deepEqual(answers, expected)
  }
})
