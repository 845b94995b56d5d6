// --require and --conditions: modules before the program, conditions of packages
// @node --require ./files/hook.cjs --conditions=custom
// @cold --require is read when Node boots
console.log(globalThis.required, process.execArgv)
import('./files/pkg/main.js')
