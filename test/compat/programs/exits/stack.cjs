// The stack overflows
// @code 1
Error.stackTraceLimit = 2
try { (function deep() { deep() })() } catch (err) { console.log(err.name, err.message) }
const more = () => more()
more()
