// What modules do when they are loaded, and forks can share.
process.env.OWN = 'set by a module'
process.on('SIGTERM', () => process.exit(0))
require('events').defaultMaxListeners = 20
exports.isTerminal = process.stdout.isTTY === true && process.stderr.fd === 2
exports.out = process.stdout
setImmediate(() => { exports.later = true })
