// reallyExit ends at once, with codes as the system keeps them
// @code 44
process.on('exit', () => console.log('never'))
require('node:fs').writeSync(1, 'before\n')
process.reallyExit(300)
