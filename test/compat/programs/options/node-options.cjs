// NODE_OPTIONS: read at boot, handed on to children, not shown in execArgv
// @env NODE_OPTIONS=--no-deprecation --stack-trace-limit=1 --max-old-space-size=100
// @cold NODE_OPTIONS differs from the zygote's
const { execFileSync } = require('node:child_process')
new Buffer(1)
console.log(process.noDeprecation, Error.stackTraceLimit, process.execArgv, process.env.NODE_OPTIONS)
console.log(require('node:v8').getHeapStatistics().heap_size_limit < 200e6)
console.log(String(execFileSync(process.execPath, ['-p', 'Error.stackTraceLimit'])).trim())
