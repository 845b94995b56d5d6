// unhandledRejection, rejectionHandled, warnings and multipleResolves come in Node's order with Node's arguments
const late = Promise.reject(new Error('late'))
process.on('unhandledRejection', (reason, promise) => {
  console.log('unhandled', reason.message, promise === late)
  if (promise === late) setTimeout(() => late.catch((err) => console.log('caught', err.message)), 1)
})
process.on('rejectionHandled', (promise) => console.log('handled', promise === late))
process.on('multipleResolves', (type, promise, value) => console.log('again', type, value))
new Promise((resolve, reject) => { resolve(1); reject('x'); resolve(2) })
process.on('warning', (warning) => console.log(warning.name, warning.code))
Promise.any([Promise.reject(1), Promise.reject(2)]).catch((err) => console.log(err.constructor.name, err.errors.join(), err.message))
Promise.allSettled([1, Promise.reject(new TypeError('t'))]).then((all) => console.log(all.map(({ status }) => status).join()))
