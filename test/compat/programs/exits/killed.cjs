// A program kills itself
// @signal SIGKILL
require('node:fs').writeSync(1, 'before\n')
process.kill(process.pid, 'SIGKILL')
setInterval(() => {}, 1000)
