// Ticks, microtasks, timers and immediates run in Node's order, from the main script and from a callback
const log = []
const say = (text) => log.push(text)
setTimeout(() => {
  say('timer')
  process.nextTick(say, 'tick in timer')
  Promise.resolve().then(() => say('microtask in timer'))
  setImmediate(() => {
    say('immediate')
    setImmediate(say, 'immediate of the next turn')
    process.nextTick(say, 'tick in immediate')
    setTimeout(() => { say('last'); console.log(log.join('\n')) }, 5)
  })
}, 1)
queueMicrotask(() => {
  say('microtask')
  process.nextTick(say, 'tick of microtask')
})
process.nextTick(() => {
  say('tick')
  Promise.resolve().then(() => say('microtask of tick'))
  process.nextTick(say, 'tick of tick')
})
say('main')
