// A service of a group: notes its start and its end in a file (argv[3]) that all of the group write to.
const fs = require('node:fs')
const net = require('node:net')
const [name, file] = process.argv.slice(2)
const note = (what) => fs.appendFileSync(file, `${what} ${name}\n`)

note('start')
process.on('SIGTERM', () => {
  note('end')
  process.exit(0)
})
const socket = net.connect(process.env.PROBE)
socket.write(JSON.stringify({ pid: process.pid, name }) + '\n')
process.send('ready')
