// An uncaught Error ends the program with its source line, stack, properties and cause
// @code 1
process.on('exit', (code) => console.log('exit', code))
function fails() { throw Object.assign(new TypeError('uncaught', { cause: new Error('the cause') }), { code: 'E_MINE', extra: { deep: [1] } }) }
setTimeout(fails, 1)
setTimeout(() => console.log('never'), 500)
