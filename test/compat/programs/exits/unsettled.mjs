// A top-level await that never settles
// @code 13
process.on('exit', (code) => console.log('exit', code))
await new Promise(() => {})
