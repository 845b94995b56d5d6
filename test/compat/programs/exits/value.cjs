// A value that is no Error is thrown
// @code 1
setImmediate(() => { throw { text: 'no error', list: [1, 2] } })
