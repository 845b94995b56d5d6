// v8: serialization, statistics, flags at run time, snapshots as streams, coverage; garbage is collected, weak references and finalizers
const v8 = require('node:v8')
const vm = require('node:vm')
const value = { a: [1, undefined, NaN, 2n ** 70n], m: new Map([[1, new Set(['x'])]]), d: new Date(0), r: /x/gi, b: Buffer.from('b'), e: new RangeError('e'), t: new Float64Array([1.5]) }; value.self = value
console.log(v8.deserialize(v8.serialize(value)), v8.serialize({ x: 1 }).toString('hex'))
try { v8.serialize(() => {}) } catch (err) { console.log(err.name, err.message) }
try { v8.deserialize(Buffer.from('ff0f', 'hex')) } catch (err) { console.log(err.message) }
console.log(Object.keys(v8.getHeapStatistics()).join(), v8.getHeapSpaceStatistics().map(({ space_name }) => space_name).join(), Object.keys(v8.getHeapCodeStatistics()).join(), v8.cachedDataVersionTag() > 0)
console.log(v8.getHeapStatistics().heap_size_limit, v8.getHeapStatistics().number_of_native_contexts > 0)
v8.setFlagsFromString('--expose-gc'); const gc = vm.runInNewContext('gc')
const registry = new FinalizationRegistry((held) => { console.log('finalized', held); clearInterval(timer) })
let weak; (() => { const object = { big: new Array(1000) }; weak = new WeakRef(object); registry.register(object, 'token') })()
const timer = setInterval(() => gc(), 5)
process.on('exit', () => console.log(weak.deref()))
let size = 0; v8.getHeapSnapshot().on('data', (chunk) => { size += chunk.length }).on('end', () => console.log(size > 1e5))
v8.setFlagsFromString('--allow-natives-syntax'); const add = vm.runInThisContext('(function add(a, b) { return a + b })'); console.log(add(1, 2))
console.log(v8.startupSnapshot?.isBuildingSnapshot(), typeof v8.promiseHooks.onInit, typeof v8.stopCoverage)
