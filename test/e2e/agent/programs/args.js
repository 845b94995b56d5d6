console.log(JSON.stringify(process.argv.slice(2)))
console.error('to stderr')
