// Says who it is to the test, then stays. `kind` (argv[2]) says how it takes SIGTERM.
const net = require('node:net')
const socket = net.connect(process.env.PROBE)
const say = (value) => socket.write(JSON.stringify(value) + '\n')
say({ pid: process.pid, args: process.argv.slice(2), cwd: process.cwd() })
const kind = process.argv[2]
if (kind === 'polite')
  process.on('SIGTERM', () => {
    console.log('goodbye')
    process.exit(0)
  })
if (kind === 'deaf') process.on('SIGTERM', () => say({ heard: 'SIGTERM' }))
console.log('hello')
