// nextTick and microtasks: arguments, order, errors inside, from each other, in the end of the program
const seen = []
process.nextTick((...args) => seen.push(args.join('')), 1, 2, 3)
queueMicrotask(() => { seen.push('micro'); process.nextTick(() => seen.push('tick in micro')) })
process.nextTick(() => queueMicrotask(() => seen.push('micro in tick')))
Promise.resolve().then(() => seen.push('then')).finally(() => seen.push('finally'))
process.once('uncaughtException', (err) => { seen.push(err.message); setImmediate(() => console.log(seen.join())) })
process.nextTick(() => { throw new Error('in tick') })
process.nextTick(() => seen.push('after the error'))
try { process.nextTick('text') } catch (err) { console.log(err.code) }
try { queueMicrotask(1) } catch (err) { console.log(err.code) }
let count = 0
process.on('beforeExit', (code) => { if (count++ < 2) { console.log('beforeExit', code, count); setTimeout(() => console.log('more work'), 1) } })
process.on('exit', (code) => { process.nextTick(() => console.log('never')); Promise.resolve().then(() => console.log('never')); console.log('exit', code) })
