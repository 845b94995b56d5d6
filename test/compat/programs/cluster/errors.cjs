// A worker that fails at once, one whose entry is missing, and one that outlives its primary's channel
const cluster = require('node:cluster')
const { once } = require('node:events')
async function primary() {
  const failing = cluster.fork({ ROLE: 'throws' }, { stdio: 'pipe' })
  console.log(await once(failing, 'exit'))
  cluster.setupPrimary({ exec: require('node:path').join(__dirname, 'none.js'), silent: true })
  const missing = cluster.fork()
  let text = ''
  missing.process.stderr.setEncoding('utf8').on('data', (chunk) => { text += chunk })
  const closed = once(missing.process, 'close') // which may come in the same turn as the exit
  console.log(await once(missing, 'exit'))
  await closed
  console.log(/Cannot find module/.test(text))
  cluster.setupPrimary({ exec: __filename, silent: false })
  const late = cluster.fork({ ROLE: 'late' })
  await once(late, 'online')
  late.process.disconnect()
  console.log(await once(late, 'exit'), late.exitedAfterDisconnect)
}
if (cluster.isPrimary) primary()
else if (process.env.ROLE === 'throws') { process.stderr.write = () => true; throw new Error('at once') }
else setInterval(() => {}, 1000)
