// As a large library: loading it takes long. Counts in a file how often that was.
const fs = require('fs')
fs.appendFileSync(process.env.LOADS, 'x')
const until = Date.now() + 100
while (Date.now() < until);
exports.value = fs.readFileSync(`${__dirname}/slow.js`, 'utf8').length
