for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR2']) process.once(signal, () => {
  console.log(signal)
  if (signal === 'SIGTERM') process.exit(0)
})
setInterval(() => {}, 1000)
console.log('ready')
