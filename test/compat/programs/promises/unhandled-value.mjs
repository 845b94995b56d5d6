// A rejection with something that is no Error: what Node says of it
// @code 1
process.on('uncaughtExceptionMonitor', (err, origin) => console.log(err.code, origin, err.message.split('\n')[0]))
Promise.reject({ just: 'an object' })
await new Promise((resolve) => setTimeout(resolve, 1000))
console.log('never')
