process.on('exit', (code) => console.log('exit', code))
setTimeout(() => {
  process.stdout.write('x'.repeat(60000) + '\n')
  process.exit(3)
}, 1)
setInterval(() => {}, 1000)
