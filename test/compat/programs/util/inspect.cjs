// util: inspect of each kind of value, format, promisify, callbackify, inherits, types, parseArgs, text coders, deep equality
const util = require('node:util')
class Mine { #hidden = 1; constructor() { this.a = 1; this.self = this } get got() { return 1 } static s = 1; [util.inspect.custom](depth, options) { return `custom ${depth}` } }
const values = [1, -0, 1n, 'it\'s', Symbol('s'), null, undefined, [1, , 3], new Array(200).fill(7), { a: { b: { c: { d: 1 } } } }, new Map([[{ k: 1 }, new Set([1])]]), new Date(0), /x/g, new Error('e').message, () => {}, class A extends Map {}, async function* f() {}, new Mine(), [new Mine()], new Proxy({ p: 1 }, {}), Promise.resolve(4), Promise.reject(new Error('r').message).catch(() => {}) && new WeakMap(), new Uint8Array(3), Buffer.from('ab'), new ArrayBuffer(4), Object.create(null), new (class extends Array {})(3), globalThis.process === process, { get g() { return 1 }, set g(_) {} }, new URL('http://a/b?c#d'), new AbortController().signal, new Event('e').type, [['nested', ['deep', ['deeper', ['deepest']]]]], 'x'.repeat(200), { 'quoted-key': 1, [Symbol('k')]: 2 }]
for (const value of values) console.log(util.inspect(value))
console.log(util.inspect({ b: 1, a: [1, { c: new Map([[1, 2]]) }] }, { depth: 0, sorted: true, compact: false, colors: true, showHidden: true }), util.inspect(new Proxy({ p: 1 }, {}), { showProxy: true }))
console.log(util.format('%s %d %i %f %j %o %O %c %%', 'a', '42', 42.9, '1.5', { a: 1 }, [1], { b: 1 }, 'css', 'rest', { x: 1 }))
console.log(util.types.isProxy(new Proxy({}, {})), util.types.isAsyncFunction(async () => {}), util.isDeepStrictEqual({ a: [1, NaN] }, { a: [1, NaN] }), util.stripVTControlCharacters('\x1b[1mx'), util.toUSVString('a\ud800'))
console.log(JSON.stringify(util.parseArgs({ args: ['-v', '--name=x', '--no-color', 'pos'], options: { v: { type: 'boolean', short: 'v' }, name: { type: 'string' }, 'no-color': { type: 'boolean' } }, allowPositionals: true })))
try { util.parseArgs({ args: ['--unknown'], options: {} }) } catch (err) { console.log(err.code) }
console.log(new util.TextDecoder('utf-16le').decode(Buffer.from('a\0b\0')), new util.TextDecoder('latin1').encoding, new util.TextEncoder().encode('ü'))
util.callbackify(async (x) => x + 1)(1, (err, value) => console.log(err, value)); util.callbackify(() => Promise.reject(null))((err) => console.log(err.code))
util.promisify(setTimeout)(1, 'value').then(console.log); util.promisify((x, done) => done(new Error(x)))('failed').catch((err) => console.log(err.message))
const log = util.debuglog('none'); log('never'); console.log(log.enabled, util.getSystemErrorName(-2), util.aborted, util.inherits.length)
