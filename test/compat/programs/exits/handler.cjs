// The handler of uncaught errors throws itself
// @code 7
process.on('uncaughtException', (err) => { console.log('handling', err.message); throw new Error('from the handler') })
setTimeout(() => { throw new Error('first') }, 1)
