// timers/promises: values, intervals as async iterators, abort signals, scheduler.wait
import { setTimeout as sleep, setImmediate as turn, setInterval as every, scheduler } from 'node:timers/promises'
console.log(await sleep(2, 'value'), await turn('turn'))
let count = 0
for await (const value of every(1, 'beat')) { if (++count === 3) { console.log(value, count); break } }
const stop = new AbortController()
const waiting = sleep(60_000, null, { signal: stop.signal })
stop.abort(new Error('enough'))
await waiting.catch((err) => console.log(err.name, err.code, err.cause?.message))
await sleep(1, null, { signal: AbortSignal.abort() }).catch((err) => console.log(err.name, err.message))
console.log(await scheduler.wait(1), await scheduler.yield())
await sleep('1').catch((err) => console.log(err.code))
console.log(await Promise.race([sleep(60_000, 'late', { ref: false }), sleep(1, 'early')]))
