// Marks, measures, observers, timerify, histograms, event loop delay and utilization, GC and milestones
const { performance, PerformanceObserver, monitorEventLoopDelay, createHistogram, constants } = require('node:perf_hooks')
async function main() {
  const seen = []
  const observer = new PerformanceObserver((list) => seen.push(...list.getEntries().map(({ name, entryType, detail }) => `${entryType}:${name}:${JSON.stringify(detail)}`)))
  observer.observe({ entryTypes: ['mark', 'measure', 'function'] })
  performance.mark('a', { detail: { n: 1 }, startTime: 0 })
  performance.mark('b', { startTime: 0.5 })
  console.log(performance.measure('a to b', 'a', 'b').duration, performance.measure('since', { start: 0.6, duration: 7 }).startTime)
  const timed = performance.timerify(function named(x) { return x * 2 })
  console.log(timed(4), timed.length, timed.name)
  await new Promise((resolve) => setImmediate(resolve))
  observer.disconnect()
  console.log(seen.map((text) => text.replace(/:\[.*/, '')).join('\n'))
  console.log(performance.getEntriesByType('mark').length, performance.getEntriesByName('a to b').length)
  performance.clearMarks()
  console.log(performance.getEntries().filter(({ entryType }) => entryType === 'mark').length)
  try { performance.measure('x', 'no such mark') } catch (err) { console.log(err.name, err.code) }
  const histogram = createHistogram()
  for (let i = 1; i <= 100; i++) histogram.record(i)
  console.log(histogram.min, histogram.max, histogram.mean, histogram.percentile(50), histogram.count, histogram.percentiles.size > 3)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  console.log(delay.enable(), delay.enable())
  await new Promise((resolve) => setTimeout(resolve, 30))
  console.log(delay.disable(), delay.min >= 0, delay.max > 0)
  const before = performance.eventLoopUtilization()
  const end = performance.now() + 20
  while (performance.now() < end);
  await new Promise((resolve) => setImmediate(resolve))
  const used = performance.eventLoopUtilization(before)
  console.log(used.active > 10, used.utilization > 0.5 && used.utilization <= 1)
  const { nodeTiming } = performance
  const names = ['nodeStart', 'v8Start', 'environment', 'bootstrapComplete', 'loopStart']
  console.log(names.every((name) => nodeTiming[name] >= 0), nodeTiming.nodeStart <= nodeTiming.bootstrapComplete, nodeTiming.bootstrapComplete <= performance.now(), nodeTiming.loopExit, nodeTiming.duration > 0, nodeTiming.name)
  console.log(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 50, performance.now() < 60000, Math.abs(process.uptime() * 1000 - performance.now()) < 200)
  console.log(Object.keys(performance.toJSON()).join(), PerformanceObserver.supportedEntryTypes.join(), constants.NODE_PERFORMANCE_GC_MAJOR)
  const gc = new Promise((resolve) => new PerformanceObserver((list, self) => { self.disconnect(); resolve(list.getEntries()[0].entryType) }).observe({ entryTypes: ['gc'] }))
  const wasting = setInterval(() => { let all = []; for (let i = 0; i < 2e5; i++) all.push({ i }); all = null }, 1)
  console.log(await gc)
  clearInterval(wasting)
}
main()
