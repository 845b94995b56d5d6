// Assertions: messages with differences of each kind, strict and loose, throws, rejects, matches, call tracking, an uncaught one
// @code 1
const assert = require('node:assert')
const tries = [() => assert(0), () => assert.ok(null, 'my message'), () => assert.equal(1, 2), () => assert.strictEqual('a\nb\nc', 'a\nx\nc'), () => assert.deepStrictEqual({ a: [1, 2, { b: 1 }], m: new Map([[1, 2]]) }, { a: [1, 2, { b: 2 }], m: new Map([[1, 3]]) }), () => assert.notDeepEqual([1], [1]), () => assert.throws(() => {}), () => assert.throws(() => { throw new TypeError('t') }, RangeError), () => assert.doesNotThrow(() => { throw new Error('d') }), () => assert.match('abc', /x/), () => assert.ifError(new Error('if')), () => assert.fail(), () => assert.strict.equal(NaN, 0), () => assert.throws(() => { throw new Error('m') }, { message: 'n' }), () => assert.deepEqual(new Array(60).fill(1), new Array(60).fill(1).with?.(3, 2) ?? [...new Array(59).fill(1), 2])]
for (const fails of tries) try { fails(); console.log('passed') } catch (err) { console.log(err.name, err.code, err.generatedMessage, err.operator, err.message) }
assert.rejects(Promise.resolve(1)).catch((err) => console.log(err.message)); assert.rejects(async () => { throw new Error('x') }, /x/).then(() => console.log('rejected'))
setTimeout(() => assert.deepStrictEqual([1, 2], [1, 3]), 20)
