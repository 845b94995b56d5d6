// Stdin is read by events, in text with characters cut in two, paused and resumed, to its end
// @stdin first ü line\nsecond ✓ line\n
let text = '', chunks = 0
process.stdin.setEncoding('utf8')
console.log(process.stdin.isTTY, process.stdin.readableFlowing, process.stdin.readableEncoding)
process.stdin.on('data', (chunk) => { text += chunk; if (chunks++ === 0) { process.stdin.pause(); setTimeout(() => process.stdin.resume(), 5) } })
process.stdin.on('end', () => { console.log(JSON.stringify(text), process.stdin.readableEnded) })
process.stdin.on('close', () => console.log('closed'))
