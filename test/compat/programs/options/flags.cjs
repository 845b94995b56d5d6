// Options of Node and V8: exposed GC, strict mode, traces of warnings, their place in execArgv, and in a child
// @node --expose-gc --stack-trace-limit=2 --trace-warnings
// @cold --expose-gc is read when Node boots
console.log(typeof gc, Error.stackTraceLimit, process.execArgv)
gc()
process.emitWarning('traced')
console.log(require('node:child_process').execFileSync(process.execPath, ['-p', 'typeof gc'], { encoding: 'utf8' }).trim())
