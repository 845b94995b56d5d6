// null is thrown by an ES module
// @code 1
console.log('before')
throw null
