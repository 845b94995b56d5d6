// What survives a message: a test for each kind of value, over real messages between two processes, as an argument and
// result of a call and as a publication. docs/api.md has the table.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster, sender
before(async () => {
  cluster = await Cluster.start()
  const members = await cluster.members('receiver', 'sender')
  sender = members[1]
  for (const member of members) await member.run(async (mesh, keep) => { keep.assert = (await import("node:assert/strict")).default })
  await members[0].run(async (mesh, keep) => {
    const judge = (source, value) => { (0, eval)(`(${source})`)(value, keep.assert) }
    await mesh.serve('types', { echo: ({ source, value }) => { judge(source, value); return value } })
    const cells = mesh.subscribe('types.cell')
    void (async () => {
      for await (const { data } of cells) {
        try {
          judge(data.source, data.value)
          keep.outcome = 'right'
        } catch (err) {
          keep.outcome = err.message
        }
        mesh.publish('types.judged', keep.outcome)
      }
    })()
    await cells.ready
  })
  await sender.run(async (mesh, keep) => {
    keep.judged = mesh.subscribe('types.judged')
    await Promise.all([keep.judged.ready, mesh.available('types')])
  })
})
after(() => cluster.stop())

// `make` and `check(value, assert)` run in the members; check at the receiver, and for calls at the sender again.
function survives(name, make, check) {
  test(`${name}: survives a call`, () => sender.run(async (mesh, keep, make, source) => {
    const value = (0, eval)(`(${make})`)()
    const back = await mesh.client('types').echo({ source, value })
    ;(0, eval)(`(${source})`)(back, keep.assert)
  }, make.toString(), check.toString()))
  test(`${name}: survives a publication`, async () => {
    const outcome = await sender.run(async (mesh, keep, make, source) => {
      mesh.publish('types.cell', { source, value: (0, eval)(`(${make})`)() })
      return (await keep.judged.next()).value.data
    }, make.toString(), check.toString())
    assert.equal(outcome, 'right')
  })
}

function throws(name, make, path) {
  const refused = { code: 'ERR_WARREN_NOT_CLONEABLE', delivered: 'no', message: new RegExp(`^cannot send ${path.replace(/[$.[\]()]/g, '\\$&')}: `) }
  test(`${name}: a call throws and names ${path}`, () => assert.rejects(sender.run(async (mesh, keep, make) => mesh.client('types').echo(await (0, eval)(`(${make})`)()), make.toString()), refused))
  test(`${name}: a publication throws and names ${path}`, () => assert.rejects(sender.run(async (mesh, keep, make) => mesh.publish('types.cell', await (0, eval)(`(${make})`)()), make.toString()), refused))
}

survives('an undefined property', () => ({ a: undefined }), (v, assert) => assert.ok('a' in v && v.a === undefined))
survives('NaN', () => NaN, (v, assert) => assert.ok(Number.isNaN(v)))
survives('-0', () => -0, (v, assert) => assert.ok(Object.is(v, -0)))
survives('-0 inside of things, and 0 beside it', () => ({ a: -0, b: [0, -0], c: new Map([['d', -0], ['e', 0]]), f: Object.assign(new Error('g'), { h: -0 }) }), (v, assert) => assert.deepEqual([v.a, v.b, [...v.c.values()], v.f.h].flat().map(n => Object.is(n, -0)), [true, false, true, true, false, true]))
survives('a sparse array', () => [, 1, , 3, ,], (v, assert) => { assert.equal(v.length, 5); assert.deepEqual(Object.keys(v), ['1', '3']) })
survives('a cycle', () => { const v = { list: [] }; v.self = v; v.list.push(v.list); return v }, (v, assert) => assert.ok(v.self === v && v.list[0] === v.list))
survives('BigInt', () => [0n, -1n, 2n ** 64n, -(2n ** 300n)], (v, assert) => assert.deepEqual(v, [0n, -1n, 2n ** 64n, -(2n ** 300n)]))
survives('Date', () => [new Date(1), new Date(NaN)], (v, assert) => { assert.ok(v[0] instanceof Date && v[0].getTime() === 1); assert.ok(Number.isNaN(v[1].getTime())) })
survives('Map', () => new Map([[{ a: 1 }, 'x'], ['k', new Map()]]), (v, assert) => assert.deepEqual(v, new Map([[{ a: 1 }, 'x'], ['k', new Map()]])))
survives('Set', () => new Set([1, 'a', new Set()]), (v, assert) => assert.deepEqual(v, new Set([1, 'a', new Set()])))
survives('typed arrays', () => [new Uint16Array([1, 2]), new Float64Array([0.5]), new BigInt64Array([-1n])], (v, assert) => assert.deepEqual(v, [new Uint16Array([1, 2]), new Float64Array([0.5]), new BigInt64Array([-1n])]))
survives('DataView', () => new DataView(new Uint8Array([1, 2, 3]).buffer, 1), (v, assert) => assert.ok(v instanceof DataView && v.byteLength === 2 && v.getUint8(1) === 3))
survives('ArrayBuffer', () => new Uint8Array([9]).buffer, (v, assert) => assert.ok(v instanceof ArrayBuffer && new Uint8Array(v)[0] === 9))
survives('RegExp', () => { const r = /a\/b+/giu; r.lastIndex = 3; return r }, (v, assert) => assert.ok(String(v) === String(/a\/b+/giu) && v.lastIndex === 0))
survives('Buffer', () => Buffer.from('abc'), (v, assert) => assert.ok(Buffer.isBuffer(v) && String(v) === 'abc'))
survives('a built-in Error: class, message, stack, cause', () => new TypeError('no', { cause: new RangeError('deep') }), (v, assert) => assert.ok(v instanceof TypeError && v.message === 'no' && /TypeError: no\n +at/.test(v.stack) && v.cause instanceof RangeError))
survives('code and own properties of an Error', () => Object.assign(new Error('x'), { code: 'E_X', at: { line: 7 } }), (v, assert) => { assert.equal(v.code, 'E_X'); assert.deepEqual(v.at, { line: 7 }) })
survives('the name of an Error of a class of the user', () => new (class NotFound extends RangeError { name = 'NotFound' })('where'), (v, assert) => assert.ok(v.name === 'NotFound' && v instanceof RangeError))
survives('AggregateError.errors', () => new AggregateError([new TypeError('a'), 2], 'both'), (v, assert) => assert.ok(v instanceof AggregateError && v.errors[0] instanceof TypeError && v.errors[1] === 2))
survives('DOMException', () => new DOMException('stop', 'AbortError'), (v, assert) => assert.ok(v instanceof DOMException && v.name === 'AbortError' && v.message === 'stop'))
survives('URL', () => new URL('https://u@example.org:8/a?b#c'), (v, assert) => assert.ok(v instanceof URL && v.href === 'https://u@example.org:8/a?b#c'))
survives('an instance of a class, as a plain object', () => new (class Point { x = 1; #y = 2; get z() { return this.#y } })(), (v, assert) => { assert.equal(Object.getPrototypeOf(v), Object.prototype); assert.deepEqual(v, { x: 1 }) })

throws('Headers', () => ({ h: new Headers() }), '$.h')
throws('AbortSignal', () => ({ signal: new AbortController().signal }), '$.signal')
throws('Blob', () => [new Blob(['x'])], '$[0]')
throws('File', async () => ({ file: new (await import('node:buffer')).File(['x'], 'n') }), '$.file')
throws('SharedArrayBuffer', () => ({ shared: new SharedArrayBuffer(8) }), '$.shared')
throws('a function', () => ({ user: { onChange() {} } }), '$.user.onChange')
throws('a symbol', () => new Map([['k', Symbol('s')]]), '$.get("k")')
throws('a Promise', () => new Set([Promise.resolve()]), '$.values()[0]')
throws('a WeakMap', () => Object.assign(new Error('e'), { at: new WeakMap() }), '$.at')
throws('a Proxy of a function', () => ({ p: new Proxy(() => 1, {}) }), '$.p')
survives('a Proxy of an object, as a plain object', () => new Proxy({ a: 1 }, {}), (v, assert) => assert.deepEqual(v, { a: 1 }))
