const { Worker } = require('node:worker_threads')
const code = `
  const { parentPort, workerData } = require('node:worker_threads')
  parentPort.postMessage({ doubled: workerData * 2, join: typeof require('warren').join, random: Math.random() })
`
const ask = () => new Promise((resolve) => new Worker(code, { eval: true, workerData: 21 }).once('message', resolve))
Promise.all([ask(), ask()]).then(([a, b]) => {
  console.log(a.doubled, a.join, a.random !== b.random && a.random !== Math.random())
  new Worker('throw new Error("in worker")', { eval: true })
    .on('error', (error) => console.log('error', error.message)).on('exit', (exitCode) => {
      console.log('exit', exitCode)
      const stuck = new Worker('for (;;);', { eval: true })
      stuck.on('online', () => stuck.terminate().then((terminated) => console.log('terminated', terminated)))
    })
})
