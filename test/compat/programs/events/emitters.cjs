// EventEmitter and EventTarget: order, once, errors, captures, leaks, async iteration, abort signals
const { EventEmitter, once, on, errorMonitor, captureRejectionSymbol, getEventListeners, setMaxListeners, defaultMaxListeners } = require('node:events')
const emitter = new EventEmitter()
emitter.on('x', (a) => console.log('first', a)).prependListener('x', (a) => console.log('zeroth', a)).once('x', (a) => console.log('once', a))
console.log(emitter.emit('x', 1), emitter.emit('x', 2), emitter.emit('none'), emitter.listenerCount('x'), emitter.eventNames(), emitter.rawListeners('x').length)
emitter.on(errorMonitor, (err) => console.log('monitor', err.message))
try { emitter.emit('error', new Error('nobody listens')) } catch (err) { console.log('thrown', err.message) }
try { emitter.emit('error', { not: 'an error' }) } catch (err) { console.log(err.code, err.context) }
process.on('warning', (warning) => console.log(warning.name, warning.type, warning.count, warning.message))
for (let i = 0; i <= defaultMaxListeners; i++) emitter.on('leak', () => {})
emitter.on('newListener', (name) => console.log('new', name)).on('removed', () => {}).removeAllListeners('removed')
async function main() {
  const capturing = new EventEmitter({ captureRejections: true })
  capturing.on('go', async () => { throw new Error('rejected') })
  capturing.on('error', (err) => console.log('captured', err.message))
  capturing.emit('go')
  setTimeout(() => emitter.emit('later', 'a', 'b'), 1)
  console.log(await once(emitter, 'later'))
  const stop = new AbortController()
  setTimeout(() => { emitter.emit('tick', 1); emitter.emit('tick', 2); stop.abort() }, 1)
  try { for await (const [n] of on(emitter, 'tick', { signal: stop.signal })) console.log('tick', n) } catch (err) { console.log(err.name, err.code) }
  const target = new EventTarget()
  target.addEventListener('e', (event) => { console.log(event.type, event.cancelable, event.target === target); event.preventDefault() }, { once: true })
  target.addEventListener('e', { handleEvent: (event) => console.log('object', event.defaultPrevented) })
  console.log(target.dispatchEvent(new Event('e', { cancelable: true })), target.dispatchEvent(new Event('e')), getEventListeners(target, 'e').length)
  const signal = AbortSignal.timeout(5)
  await once(signal, 'abort')
  console.log(signal.aborted, signal.reason.name, signal.reason.code)
  try { AbortSignal.abort('why').throwIfAborted() } catch (err) { console.log(err) }
  console.log(AbortSignal.any === undefined)
  target.addEventListener('bad', () => { throw new Error('in a listener') })
  process.once('uncaughtException', (err) => console.log('uncaught', err.message))
  target.dispatchEvent(new Event('bad'))
}
main()
