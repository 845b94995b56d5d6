// Ends when it is asked by SIGINT, as some programs do; SIGTERM it does not know.
process.on('SIGTERM', () => console.log('SIGTERM?'))
process.on('SIGINT', () => {
  console.log('goodbye')
  process.exit(0)
})
setInterval(() => {}, 1000)
console.log('hello')
