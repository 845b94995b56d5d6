// An addon by Node-API: values, errors, references, work in the thread pool, threadsafe calls, cleanup at exit, in Workers and in contexts of their own
const { Worker, isMainThread, parentPort } = require('node:worker_threads')
const file = process.env.COMPAT_ADDON
const addon = require(file)
if (!isMainThread) parentPort.postMessage([addon.add(1, 2), addon.loads])
else {
  console.log(addon.add(20, 22), addon.add.name, typeof addon.loads, require(file) === addon)
  try { addon.add('x') } catch (err) { console.log(err.name, err.code, err.message) }
  try { addon.call(() => { throw new Error('from JavaScript') }) } catch (err) { console.log(err.message) }
  console.log(addon.call((...args) => args.length))
  addon.work(20, (err, value) => { console.log('work', err, value); threads() })
  const threads = () => addon.thread(3, (n) => { console.log('thread', n); if (n === 2) new Worker(__filename).on('message', (seen) => console.log('worker', seen[0])).on('exit', (code) => console.log('worker exit', code)) })
  try { require('/none.node') } catch (err) { console.log(err.code) }
  require('node:fs').writeFileSync(`${require('node:os').tmpdir()}/bad.node`, 'no library')
  try { process.dlopen({ exports: {} }, `${require('node:os').tmpdir()}/bad.node`) } catch (err) { console.log(err.code, err.message.replace(/^.*\//, '')) }
  process.on('exit', () => console.log('exit'))
}
