process.on('exit', (code) => console.log('exit', code))
function deep() { throw new TypeError('boom') }
deep()
