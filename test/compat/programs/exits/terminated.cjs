// SIGTERM without a handler ends the program by that signal, also after a handler was removed
// @signal SIGTERM
const handler = () => { console.log('handled'); process.off('SIGTERM', handler); setImmediate(() => process.kill(process.pid, 'SIGTERM')) }
process.on('SIGTERM', handler)
process.on('exit', () => console.log('never'))
process.kill(process.pid, 'SIGTERM')
setInterval(() => {}, 1000)
