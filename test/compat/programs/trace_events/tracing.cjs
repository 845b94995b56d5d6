// Tracing: categories enabled and disabled by the program, what is told of them, and the events in the file
const { createTracing, getEnabledCategories } = require('node:trace_events')
const { readFileSync, statSync } = require('node:fs')

process.chdir(process.env.TMPDIR) // where the file will be
console.log(getEnabledCategories())
const tracing = createTracing({ categories: ['node.fs.sync', 'node.console'] })
console.log(tracing.enabled, tracing.categories)
tracing.enable()
console.log(tracing.enabled, getEnabledCategories())
const more = createTracing({ categories: ['v8'] })
more.enable()
console.log(getEnabledCategories())
more.disable()
statSync('.')
console.count('sheep')
tracing.disable()
console.log(tracing.enabled, getEnabledCategories())
console.count('goats')
try { createTracing({ categories: [] }) } catch (err) { console.log(err.code) }

// Another thread writes it. Its end comes when the process ends.
function read() {
  try { return JSON.parse(readFileSync('node_trace.1.log', 'utf8') + ']}').traceEvents } catch { return [] }
}
const timer = setInterval(() => {
  const events = read()
  if (!events.some(({ name }) => name === 'count::sheep')) return
  clearInterval(timer)
  console.log(events.filter(({ cat }) => cat !== '__metadata').map(({ cat, ph, name }) => `${cat} ${ph} ${name}`).filter((line) => /stat|count/.test(line)).join('\n'))
  console.log(events.every(({ pid }) => pid === process.pid), events.some(({ name, args }) => name === 'version' && args.node === process.versions.node))
  console.log([...new Set(events.filter(({ cat }) => cat === '__metadata').map(({ name }) => name))].sort().join(' '))
}, 10)
