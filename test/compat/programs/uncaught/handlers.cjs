// Uncaught errors: the monitor, handlers with their origin, the capture callback, and life goes on
process.on('uncaughtExceptionMonitor', (err, origin) => console.log('monitor', err?.message ?? err, origin))
process.on('uncaughtException', (err, origin) => console.log('handler', err?.message ?? err, origin))
setTimeout(() => { throw new Error('timer') }, 1)
setTimeout(() => Promise.reject(new Error('rejected')), 2)
setTimeout(() => { throw undefined }, 3)
setTimeout(() => new (require('node:events'))().emit('error', new Error('event')), 4)
setTimeout(() => { try { new (require('node:events'))().emit('error', 'text') } catch (err) { console.log(err.code, err.message) } }, 5)
setTimeout(() => {
  process.setUncaughtExceptionCaptureCallback((err) => console.log('captured', err.message))
  console.log(process.hasUncaughtExceptionCaptureCallback())
  try { process.setUncaughtExceptionCaptureCallback(() => {}) } catch (err) { console.log(err.code) }
  setTimeout(() => { throw new Error('for the callback') }, 1)
  setTimeout(() => { process.setUncaughtExceptionCaptureCallback(null); throw new Error('for the handler again') }, 5)
}, 10)
