// Who does not read stdin is not held by it, and unref() lets go of who does
// @stdin never read\n
process.stdin.on('readable', () => {})
process.stdin.unref?.()
process.stdin.pause()
console.log(typeof process.stdin.on, process.stdin.fd)
process.stdin.destroy()
process.stdin.on('close', () => console.log('closed'))
