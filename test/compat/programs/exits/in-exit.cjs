// An exit handler throws
// @code 1
process.on('exit', () => { console.log('exiting'); throw new Error('in exit') })
