// A name is imported that the module does not export
// @code 1
import { none } from './files/empty.mjs'
console.log(none)
