// --unhandled-rejections=warn: told as warnings, with code 0
// @node --unhandled-rejections=warn
// @cold --unhandled-rejections=warn is read when Node boots
const silent = (warning) => warning.stack.split('\n')[0]
process.on('warning', (warning) => console.log(silent(warning)))
Promise.reject(new Error('only a warning'))
process.on('exit', (code) => console.log('exit', code))
