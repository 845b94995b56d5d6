const Module = require('node:module')
const seen = (object) => Reflect.ownKeys(object).map(String)
console.log(JSON.stringify({
  modules: Object.keys(require.cache), paths: Object.values(Module._pathCache), children: module.children.length,
  globals: seen(globalThis).sort(), events: process.eventNames().map(String), argv: process.argv.length,
  capture: process.hasUncaughtExceptionCaptureCallback(), exitCode: process.exitCode ?? null,
}))
