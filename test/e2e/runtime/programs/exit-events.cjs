process.exitCode = 7
let rounds = 0
process.on('beforeExit', (code) => { console.log('beforeExit', code); if (rounds++ === 0) setTimeout(() => console.log('once more'), 1) })
process.on('exit', (code) => console.log('exit', code))
