// Ends at once and leaves a child that holds its stdout.
const { spawn } = require('node:child_process')
const child = spawn('sleep', ['1000'], { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
child.unref()
console.log(child.pid)
