// exitCode set early ends the program with it, once its work is done
// @code 42
process.exitCode = 42
process.on('exit', (code) => console.log('exit', code, process.exitCode))
setTimeout(() => console.log('work'), 5)
