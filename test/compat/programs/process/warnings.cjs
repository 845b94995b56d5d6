// Warnings: emitted, deprecated once by code, with details, heard as events, and told on stderr
process.on('warning', ({ name, message, code, detail }) => console.log(name, message, code, detail))
process.emitWarning('plain')
process.emitWarning('typed', 'CustomWarning', 'C001')
process.emitWarning('detailed', { type: 'Other', code: 'C002', detail: 'more lines' })
process.emitWarning(new RangeError('an error'))
process.emitWarning('once', 'DeprecationWarning', 'DEP_COMPAT')
const old = require('node:util').deprecate(() => 'result', 'old() is old', 'DEP_OLD')
console.log(old(), old())
try { process.emitWarning(5) } catch (err) { console.log(err.code) }
new (require('node:events'))().setMaxListeners(1).on('a', () => {}).on('a', () => {})
Buffer(5)
setTimeout(() => { process.noDeprecation = true; process.emitWarning('silent', 'DeprecationWarning') }, 1)
