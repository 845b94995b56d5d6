// An unhandled rejection ends the program with its stack, after what is on its way
// @code 1
console.log('before')
process.on('exit', (code) => console.log('exit', code))
setTimeout(() => console.log('never'), 1000)
async function fails() { throw new RangeError('nobody caught me') }
fails()
queueMicrotask(() => console.log('a microtask comes first'))
process.nextTick(() => console.log('a tick comes first'))
