// Workers: data, transfers, shared memory with Atomics, channels, environments, exits, errors, resource limits
const { Worker, isMainThread, parentPort, workerData, threadId, MessageChannel, receiveMessageOnPort, BroadcastChannel, setEnvironmentData, getEnvironmentData, SHARE_ENV, markAsUntransferable, resourceLimits, moveMessagePortToContext } = require('node:worker_threads')
const { once } = require('node:events')
const ended = (worker) => new Promise((resolve) => worker.once('exit', resolve))
const start = (role, options = {}) => new Worker(__filename, { workerData: { role, ...options.data }, ...options })
async function main() {
  console.log(threadId, parentPort, workerData, resourceLimits)
  setEnvironmentData('key', { given: 'to all' })
  const shared = new Int32Array(new SharedArrayBuffer(8))
  const bytes = new Uint8Array([1, 2, 3])
  const { port1, port2 } = new MessageChannel()
  const worker = start('echo', { data: { shared, port: port2 }, transferList: [port2], argv: ['a'], env: { ONLY: 'this' }, stdout: true })
  worker.postMessage({ bytes, map: new Map([['x', new Date(0)]]), error: new TypeError('sent') }, [bytes.buffer])
  const [answer] = await once(worker, 'message')
  console.log(answer, bytes.byteLength)
  Atomics.wait(shared, 0, 0, 5000)
  console.log(Atomics.load(shared, 0))
  port1.postMessage('by the channel')
  console.log((await once(port1, 'message'))[0])
  worker.postMessage('print')
  console.log(String((await once(worker.stdout, 'data'))[0]).trim())
  worker.postMessage('exit')
  console.log(await ended(worker), worker.threadId)
  const failing = start('throw')
  const failed = ended(failing)
  const [err] = await once(failing, 'error')
  console.log(err instanceof RangeError, err.message, err.custom, await failed)
  const bad = start('bad message')
  bad.on('error', (err) => console.log('failed', typeof err))
  console.log(await ended(bad))
  const hungry = start('hungry', { resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 } })
  const gone = ended(hungry)
  console.log((await once(hungry, 'error'))[0].code, await gone)
  const endless = start('loop')
  await once(endless, 'online')
  console.log(await endless.terminate())
  const sharing = start('share', { env: SHARE_ENV })
  await ended(sharing)
  console.log(process.env.SET_BY_WORKER)
  const inline = new Worker('require("node:worker_threads").parentPort.postMessage(1 + 1)', { eval: true })
  console.log((await once(inline, 'message'))[0])
  console.log(receiveMessageOnPort(port1))
  const radio = new BroadcastChannel('all')
  const listener = start('radio')
  await once(listener, 'message')
  const heard = new Promise((resolve) => { radio.onmessage = (event) => resolve(event.data) })
  radio.postMessage('question')
  console.log(await heard)
  radio.close()
  try { new Worker('./relative-without.js', { eval: false, argv: 1 }) } catch (err) { console.log(err.code) }
  await once(new Worker('/none.js'), 'error').then(([err]) => console.log(err.code))
}
function worker() {
  const { role, shared, port } = workerData
  if (role === 'throw') throw Object.assign(new RangeError('from a worker'), { custom: 1 })
  if (role === 'bad message') parentPort.postMessage(() => {})
  if (role === 'loop') for (;;);
  if (role === 'share') process.env.SET_BY_WORKER = 'yes'
  if (role === 'hungry') { const all = []; for (;;) all.push(new Array(1000).fill({ a: 1 })) }
  if (role === 'radio') {
    const radio = new BroadcastChannel('all')
    radio.onmessage = (event) => { radio.postMessage(`answer to ${event.data}`); radio.close() }
    parentPort.postMessage('ready')
  }
  if (role !== 'echo') return
  port.once('message', (message) => { port.postMessage(`${message} and back`); port.close() })
  parentPort.on('message', (message) => {
    if (message === 'exit') process.exit(9)
    if (message === 'print') return console.log('printed', process.argv.slice(2), { ...process.env })
    parentPort.postMessage({ ...message, error: message.error.constructor.name, data: getEnvironmentData('key'), threadId, main: isMainThread })
    setTimeout(() => { Atomics.store(shared, 0, 42); Atomics.notify(shared, 0) }, 20)
  })
}
if (isMainThread) main()
else worker()
