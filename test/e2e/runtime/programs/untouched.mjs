import { performance } from 'node:perf_hooks'
console.log(JSON.stringify({
  hasMain: 'mainModule' in process, events: process.eventNames().map(String),
  limit: Error.stackTraceLimit, entries: performance.getEntries().length,
}))
