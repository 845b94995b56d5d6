process.on('uncaughtException', (error, origin) => console.log('caught', error.message, origin))
process.on('unhandledRejection', (error) => console.log('rejected', error.message))
setTimeout(() => { throw new Error('a') }, 1)
setTimeout(() => Promise.reject(new Error('b')), 5)
