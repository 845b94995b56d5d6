const { fork } = require('node:child_process')
if (process.argv[2] === 'child') {
  process.on('message', (message) => {
    process.send({ ...message, join: typeof require('warren').join, args: process.argv.slice(2) })
    process.disconnect()
  })
} else {
  const child = fork(__filename, ['child', 'x'])
  child.send({ question: [1, new Date(0)] })
  child.on('message', (message) => console.log(JSON.stringify(message)))
  child.on('exit', (code) => console.log('child', code))
}
