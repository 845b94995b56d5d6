const status = require('node:fs').readFileSync('/proc/self/status', 'utf8')
const mask = (name) => BigInt('0x' + status.match(new RegExp(`${name}:\\s*(\\w+)`))[1])
console.log('blocked', mask('SigBlk'), 'ignored', mask('SigIgn'))
