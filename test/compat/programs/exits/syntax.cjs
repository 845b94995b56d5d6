// A file with a syntax error is required
// @code 1
console.log('before')
require('./files/syntax.js')
