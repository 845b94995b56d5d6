// Timers are cleared, refreshed, unreferenced and turned into numbers as Node does
const seen = []
for (const ms of [30, 10, 20, 10, 1]) setTimeout((label) => seen.push(label), ms, `${ms}`)
const cleared = setTimeout(() => seen.push('never'), 5)
clearTimeout(cleared)
clearTimeout(+setTimeout(() => seen.push('never by number'), 5))
clearTimeout(`${+setTimeout(() => seen.push('never by string'), 5)}`)
const idle = setTimeout(() => seen.push('unreferenced, so never'), 60_000).unref()
console.log(idle.hasRef(), idle.ref().hasRef(), idle.unref().hasRef(), cleared.hasRef())
let turns = 0
const every = setInterval(() => { if (++turns === 3) { clearInterval(every); seen.push('three turns') } }, 20)
const late = setTimeout(() => seen.push('refreshed'), 50)
setTimeout(() => late.refresh(), 10)
const immediate = setImmediate(() => seen.push('never'))
clearImmediate(immediate)
setTimeout(() => {}, -1) // 1 ms
setTimeout(() => {}, 2 ** 31) .unref() // warns, and is 1 ms
try { setTimeout('text', 1) } catch (err) { console.log(err.code) }
process.on('exit', () => console.log(seen.sort().join()))
