const { join } = require('warren')
console.log(require.main === module, require('node:path').basename(__filename), process.argv.slice(2), typeof join)
console.log(process.argv.length - 2, process.argv[1] === __filename, process.argv[0] === process.execPath, process.execArgv)
