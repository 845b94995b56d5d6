// Workers of ES modules and data URLs: import, top-level await, process objects, nested workers, pools of them
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
if (isMainThread) {
  const jobs = await Promise.all(Array.from({ length: 6 }, async (_, i) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: i })
    const [[answer]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
    return answer
  }))
  console.log(jobs.join('\n'))
  const data = new Worker(new URL('data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.postMessage(typeof require + " " + import.meta.url.slice(0, 5))'))
  console.log((await once(data, 'message'))[0])
  const nested = new Worker(`
    const { Worker, parentPort } = require('worker_threads')
    new Worker('require("worker_threads").parentPort.postMessage("deep")', { eval: true }).on('message', (m) => parentPort.postMessage(m + 'er'))`, { eval: true })
  console.log((await once(nested, 'message'))[0])
  const guarded = new Worker(`
    for (const attempt of [() => process.chdir('/'), () => process.abort(), () => process.setuid(0), () => process.title = 'x', () => process.umask(0)])
      try { attempt(); console.log('allowed') } catch (err) { console.log(err.code) }
    console.log(process.pid === ${process.pid}, process.stdin.constructor.name, typeof process.send)`, { eval: true })
  await once(guarded, 'exit')
  const syntax = new Worker('this is no JavaScript', { eval: true })
  console.log((await once(syntax, 'error'))[0].name)
} else {
  await null
  let hash = 'seed'
  for (let i = 0; i < 500; i++) hash = createHash('sha256').update(hash + workerData).digest('hex')
  parentPort.postMessage(`${workerData} ${hash.slice(0, 16)}`)
}
