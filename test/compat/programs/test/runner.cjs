// node:test inside a program: subtests, hooks, skips, todos, failures, mocks, and the code they end with
// @code 1
const { test, describe, it, before, beforeEach, after, mock } = require('node:test')
const assert = require('node:assert')
process.removeAllListeners('warning')
const plain = process.stdout.write.bind(process.stdout)
process.stdout.write = (chunk, ...rest) => plain(String(chunk).replace(/duration_ms:? [\d.e-]+/g, 'duration_ms N'), ...rest)
test('passes', async (t) => { await t.test('sub', () => assert.ok(1)); t.diagnostic('told'); t.skip })
test('is skipped', { skip: 'why' }, () => {})
test('todo', { todo: true }, () => {})
test('calls back', (t, done) => setImmediate(done))
describe('suite', () => { const seen = []; before(() => seen.push('before')); beforeEach(() => seen.push('each')); after(() => console.error(seen.join())); it('one', () => {}); it('two', async () => {}) })
test('mocks', () => { const f = mock.fn((x) => x * 2); assert.equal(f(2), 4); assert.equal(f.mock.calls.length, 1); const o = { m: () => 1 }; mock.method(o, 'm', () => 9); assert.equal(o.m(), 9); mock.restoreAll(); assert.equal(o.m(), 1) })
test('fails', () => { throw 'a text' })
