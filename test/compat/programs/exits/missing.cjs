// A module is missing
// @code 1
require('./files/none')
