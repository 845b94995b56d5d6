const status = require('node:fs').readFileSync('/proc/self/status', 'utf8')
// Signals 1 to 31: 32 and 33 are glibc's own, and its posix_spawn (make uses it) hands them on ignored.
const mask = (name) => BigInt('0x' + status.match(new RegExp(`${name}:\\s*(\\w+)`))[1]) & 0x7fffffffn
console.log('blocked', mask('SigBlk'), 'ignored', mask('SigIgn'))
