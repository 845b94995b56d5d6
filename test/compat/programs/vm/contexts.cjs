// Contexts, scripts, cached data, time-outs, modules, microtask modes, and errors that name their file
const vm = require('node:vm')
const context = vm.createContext({ x: 1, console })
vm.runInContext('var y = x + 1; globalThis.z = typeof require; function f() { return this === globalThis }', context)
console.log(context.y, context.z, context.f(), vm.isContext(context), vm.isContext({}))
console.log(vm.runInNewContext('[] instanceof Array') , vm.runInNewContext('[]') instanceof Array, vm.runInThisContext('typeof process'))
for (const [code, options] of [['for (;;);', { timeout: 20 }], ['syntax error here', { filename: 'mine.js', lineOffset: 10 }], ['throw new TypeError("thrown")', { filename: 'thrower.js' }]]) {
  try { vm.runInNewContext(code, {}, options) } catch (err) { console.log(err.code, err.constructor.name, err.stack.split('\n').slice(0, 2).join(' | ')) }
}
const script = new vm.Script('let count = (globalThis.n ?? 0); globalThis.n = count + 1; n', { filename: 'script.js', produceCachedData: false })
const cached = script.createCachedData()
const again = new vm.Script('let count = (globalThis.n ?? 0); globalThis.n = count + 1; n', { filename: 'script.js', cachedData: cached })
console.log(cached.length > 0, again.cachedDataRejected, again.runInNewContext())
const frozen = vm.createContext({}, { codeGeneration: { strings: false, wasm: false } })
try { vm.runInContext('eval("1")', frozen) } catch (err) { console.log(err.name, err.message) }
const own = vm.createContext({ log: [] }, { microtaskMode: 'afterEvaluate' })
vm.runInContext('Promise.resolve().then(() => log.push("inside"))', own, { timeout: 100 })
console.log(own.log)
const fn = vm.compileFunction('return a + b + outer', ['a', 'b'], { contextExtensions: [{ outer: 10 }] })
console.log(fn(1, 2), fn.length)
const proxied = vm.createContext(new Proxy({}, { get: (_, key) => (key === 'magic' ? 'from a proxy' : undefined), has: (_, key) => key === 'magic' }))
console.log(vm.runInContext('magic', proxied))
new vm.Script('import("node:os")', { importModuleDynamically: (name) => import(name) }).runInThisContext().catch((err) => console.log(err.code))
