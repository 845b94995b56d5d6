// Writes some lines to stderr, then ends as it is told: an exit code, or the name of a signal.
const [how, after = '0'] = process.argv.slice(2)
console.error('first line')
console.error('\u001b[31mlast line\u001b[0m')
setTimeout(() => {
  if (/^\d+$/.test(how)) process.exit(Number(how))
  process.kill(process.pid, how)
}, Number(after))
