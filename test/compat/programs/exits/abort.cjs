// abort() ends with its signal and runs no handler
// @signal SIGABRT
process.on('exit', () => console.log('never'))
require('node:fs').writeSync(1, 'before\n')
process.abort()
