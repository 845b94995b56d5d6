// An exit handler changes the code, and exit() inside it ends the handlers
// @code 9
process.on('exit', (code) => { console.log('first', code); process.exitCode = 8 })
process.on('exit', () => { console.log('second'); process.exit(9) })
process.on('exit', () => console.log('never'))
process.exit(3)
