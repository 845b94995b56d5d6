// How the package lives in a process: joining, what keeps the process, its errors, leaving.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster
before(async () => { cluster = await Cluster.start() })
after(() => cluster.stop())

// Runs a program beside the agent, to its end.
async function run(source, ...options) {
  const child = spawn(process.execPath, [...options, '-e', source], { env: { ...process.env, WARREN_DIR: cluster.dir, NODE_OPTIONS: '' } })
  const result = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (result[name] += text))
  ;[result.code] = await once(child, 'close')
  return result
}
const module = (source) => run(`import { join, MeshError } from 'warren'\n${source}`, '--input-type=module')

test('require and import give the same package', async () => {
  const { stdout, stderr } = await run(`
    const warren = require('warren')
    import('warren').then(async (m) => console.log(m.join === warren.join, m.default === warren, (await warren.join()).state))`)
  assert.equal(stdout, 'true true open\n', stderr)
})

test('a process that only joined ends by itself', async () => {
  assert.deepEqual(await module(`const mesh = await join(); mesh.publish('a', 1); console.log(mesh.peers.size >= 0)`), { code: 0, stdout: 'true\n', stderr: '' })
})

test('a subscription, a service, a monitor and an open call each keep the process, until they end', async () => {
  const { code, stdout, stderr } = await module(`
    const mesh = await join()
    const later = () => new Promise((resolve) => setTimeout(resolve, 20).unref())
    const subscription = mesh.subscribe('kept'); await later(); console.log(1); subscription.unsubscribe()
    const service = await mesh.serve('kept', { f: () => later().then(() => 4) }); await later(); console.log(2)
    const monitor = mesh.monitor(mesh.self); await service.close(); await later(); console.log(3); monitor.cancel()
    const again = await mesh.serve('kept', service.handlers)
    const call = mesh.client('kept').f(); await new Promise(setImmediate); const closing = again.close(); console.log(await call); await closing
    await later(); console.log('not kept any more')`)
  assert.equal(stdout, '1\n2\n3\n4\n', stderr)
  assert.equal(code, 13) // of a module that still waits
})

test('joining twice gives one mesh; who has left cannot come back', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    console.log(await join() === mesh)
    await mesh.close()
    console.log(mesh.state, await join().catch((err) => err.code === 'ERR_WARREN_CLOSED' || err))`)
  assert.equal(stdout, 'true\nclosed true\n', stderr)
})

test('after close() everything says so', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    const subscription = mesh.subscribe('x')
    const pending = mesh.available('never')
    await mesh.close()
    const tries = [() => mesh.publish('x', 1), () => mesh.request('x'), () => mesh.subscribe('x'), () => mesh.serve('x', { f() {} }), () => mesh.client('x').f(), () => pending]
    for (const attempt of tries) {
      try { await attempt(); console.log('done') } catch (err) { console.log(err.code, err instanceof MeshError) }
    }
    console.log((await subscription.next()).done)`)
  assert.equal(stdout, `${'ERR_WARREN_CLOSED true\n'.repeat(6)}true\n`, stderr)
})

test('a monitor that is open when its mesh closes rejects, and keeps no process', async () => {
  const peer = await cluster.member('monitored')
  const id = await peer.run((mesh) => mesh.self.id)
  assert.deepEqual(await module(`
    const mesh = await join()
    const [own, other] = [mesh.self, '${id}'].map((peer) => mesh.monitor(peer))
    mesh.monitor(mesh.self) // nobody looks at this one
    await mesh.close()
    console.log(await own.down.catch((err) => err.code), await other.down.catch((err) => err.peer.id === '${id}'))
    other.cancel()`), { code: 0, stdout: 'ERR_WARREN_CLOSED true\n', stderr: '' })
})

test('close() runs hooks last to first, waits for handlers, and emits close', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    await mesh.serve('slow', { f: () => new Promise((resolve) => setTimeout(resolve, 30, 'answer')) })
    mesh.onClose(() => console.log('first'))
    const forgotten = mesh.onClose(() => console.log('never'))
    forgotten[Symbol.dispose]()
    mesh.onClose(async () => { await null; console.log('last', mesh.publish('bye', 1)) })
    mesh.on('close', () => console.log('close'))
    const call = mesh.client('slow').f().then(console.log)
    await new Promise(setImmediate)
    await mesh.close()
    await call`)
  assert.equal(stdout, 'last true\nfirst\nanswer\nclose\n', stderr)
})

test('the signal of a hook aborts when the time of close() is over', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    mesh.onClose((signal) => console.log('next', signal.aborted))
    mesh.onClose((signal) => new Promise((resolve) => signal.addEventListener('abort', () => { console.log(signal.reason.code); resolve() })))
    await mesh.close({ timeout: 50 })
    console.log(mesh.state)`)
  assert.equal(stdout, 'ERR_WARREN_TIMEOUT\nnext true\nclosed\n', stderr)
})

test('all that has an end ends by `using`: Symbol.dispose and Symbol.asyncDispose', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    const code = (promise) => promise.then(() => 'fine', (err) => err.code)
    const service = await mesh.serve('short', { f: () => 1, async *list() { try { yield 1; yield 2 } finally { console.log('list ended') } } })
    const reader = await mesh.client('short').list()
    await reader.next()
    await reader[Symbol.asyncDispose]()
    console.log((await reader.next()).done)
    await service[Symbol.asyncDispose]()
    console.log(await code(mesh.client('short').f()))
    const subscription = mesh.subscribe('x')
    await subscription[Symbol.asyncDispose]()
    console.log((await subscription.next()).done)
    const monitor = mesh.monitor(mesh.self)
    monitor[Symbol.dispose]()
    mesh.onClose(() => console.log('never'))[Symbol.dispose]()
    await mesh[Symbol.asyncDispose]()
    console.log(mesh.state)`)
  assert.equal(stdout, 'list ended\ntrue\nERR_WARREN_NO_RESPONDERS\ntrue\nclosed\n', stderr)
})

test('what nobody reads any more keeps no process after close()', async () => {
  assert.deepEqual(await module(`
    const mesh = await join()
    const unread = mesh.subscribe('unread', { highWaterMark: 1 })
    await unread.ready
    for (let i = 0; i < 100; i++) mesh.publish('unread', Buffer.alloc(1000))
    await mesh.close()`), { code: 0, stdout: '', stderr: '' })
})

test('a handler that does not end holds close() no longer than its timeout', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    await mesh.serve('stuck', { f: () => new Promise(() => {}) })
    const call = mesh.client('stuck').f().catch((err) => console.log(err.code))
    await new Promise(setImmediate)
    await mesh.close({ timeout: 50 })
    await call`)
  assert.equal(stdout, 'ERR_WARREN_CLOSED\n', stderr)
})

test('a time for close() that no timer can count is one of the longest', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    await mesh.serve('slow', { f: () => new Promise((resolve) => setTimeout(resolve, 100, 'answer')) })
    const call = mesh.client('slow').f().then(console.log, (err) => console.log(err.code))
    await new Promise(setImmediate)
    await mesh.close({ timeout: 3e9 })
    await call`)
  assert.equal(stdout, 'answer\n', stderr)
})

test('what was published right before process.exit() is sent, in an exit handler too', async () => {
  const reader = await cluster.member('reader')
  await reader.run(async (mesh, keep) => {
    keep.words = mesh.subscribe('last.words')
    await keep.words.ready
    const calls = mesh.subscribe('last.call')
    await calls.ready
    ;(async () => { for await (const call of calls) call.respond('here') })()
  })
  const { stderr } = await module(`
    const mesh = await join()
    while (await mesh.request('last.call').catch((err) => err.code) !== 'here');
    process.on('exit', () => mesh.publish('last.words', 2))
    mesh.publish('last.words', 1)
    process.exit()`)
  const words = await reader.run(async (mesh, keep) => {
    const words = []
    for await (const { data } of keep.words) if (words.push(data) === 2) return words
  })
  assert.deepEqual(words, [1, 2], stderr)
})

test('a listener that throws is an uncaught exception, and the events behind it are handled', async () => {
  const { stdout, stderr } = await module(`
    const mesh = await join()
    process.on('uncaughtException', (err) => console.log('uncaught', err.message))
    mesh.on('service:up', (name) => { throw new Error(name) })
    await Promise.all([mesh.serve('one', { f: () => 1 }), mesh.serve('two', { f: () => 2 })])
    console.log(await mesh.client('two').f())
    process.exit()`)
  assert.equal(stdout, 'uncaught one\nuncaught two\n2\n', stderr)
})

test('an uncaught exception of a listener ends the process as ever', async () => {
  const { code, stderr } = await module(`
    const mesh = await join()
    mesh.on('service:up', () => { throw new Error('on purpose') })
    await mesh.serve('one', { f: () => 1 })
    setTimeout(() => {}, 60_000)`)
  assert.equal(code, 1)
  assert.match(stderr, /Error: on purpose/)
})

test('a lost agent is a warning when nobody listens to errors', async () => {
  const own = await Cluster.start()
  const source = `
    const mesh = await join()
    const subscription = mesh.subscribe('x')
    await subscription.ready
    process.on('warning', async (warning) => {
      console.log(warning.code, await mesh.serve('new', { f() {} }).catch((err) => err.code))
      const late = mesh.subscribe('late') // nobody is told of it: its loop ends
      console.log(await late.ready.catch((err) => err.code), (await late.next()).done)
      subscription.unsubscribe()
    })
    console.log('joined')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `import { join } from 'warren'\n${source}`], { env: { ...process.env, WARREN_DIR: own.dir, NODE_OPTIONS: '' }, stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
    if (text === 'joined\n') own.agent.kill('SIGKILL')
  })
  const [code] = await once(child, 'close')
  assert.equal(stdout, 'joined\nERR_WARREN_AGENT_LOST ERR_WARREN_AGENT_LOST\nERR_WARREN_AGENT_LOST true\n')
  assert.equal(code, 0)
  await own.stop()
})

test('who has left does not miss the agent', async () => {
  const own = await Cluster.start()
  const source = `
    const mesh = await join()
    await mesh.close()
    console.log('left')
    process.stdin.resume() // until the test says that the agent is gone`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `import { join } from 'warren'\n${source}`],
    { env: { ...process.env, WARREN_DIR: own.dir, NODE_OPTIONS: '' }, stdio: 'pipe' })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  await once(child.stdout, 'data')
  own.agent.kill('SIGKILL')
  if (own.agent.exitCode === null && own.agent.signalCode === null) await once(own.agent, 'exit')
  child.stdin.end()
  const [code] = await once(child, 'close')
  assert.equal(stderr, '')
  assert.equal(code, 0)
  await own.stop()
})

test('options that cannot work are refused', async () => {
  const { stdout, stderr } = await module(`
    for (const options of [{ name: '' }, { name: 'two words' }, { agentPath: 'x'.repeat(200) }, { maxMessage: 1 }, { maxMessage: 2 ** 30 }, { maxMessage: 'big' }]) {
      console.log(await join(options).catch((err) => err.name === 'MeshError' ? err.code : err.name))
    }
    const mesh = await join({ maxMessage: 1 << 22 })
    await mesh.serve('big', { length: (bytes) => bytes.length })
    console.log(await mesh.client('big').length(Buffer.alloc(4_000_000)))
    process.exit()`)
  assert.equal(stdout, 'ERR_WARREN_BAD_NAME\nERR_WARREN_BAD_NAME\nRangeError\nRangeError\nRangeError\nRangeError\n4000000\n', stderr)
})

test('a worker thread is a member of its own, and its end leaves the process in peace', async () => {
  const { stdout, stderr, code } = await run(`
    const { Worker } = require('worker_threads')
    const { join } = require('warren')
    const source = \`
      const { join } = require('warren')
      join({ name: 'thread' }).then(async (mesh) => {
        await mesh.available('main')
        console.log(await mesh.client('main').greet(mesh.self.name))
        if (process.argv.includes('close')) await mesh.close()
        else process.exit()
      })\`
    join({ name: 'main' }).then(async (mesh) => {
      await mesh.serve('main', { greet: (name) => 'hello ' + name })
      for (const end of ['close', 'exit']) {
        const worker = new Worker(source, { eval: true, argv: [end] })
        console.log(await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject)))
      }
      process.exit()
    })`)
  assert.equal(stdout, 'hello thread\n0\nhello thread\n0\n', stderr)
  assert.equal(code, 0)
})

test('worker threads that end in any way, several at once, leave in peace a process that never joined', async () => {
  const { stdout, stderr, code } = await run(`
    const { Worker } = require('worker_threads')
    const source = \`
      const { parentPort, workerData: end } = require('worker_threads')
      require('warren').join({ name: end }).then(async (mesh) => {
        const words = mesh.subscribe('words', { highWaterMark: 1 })
        await mesh.serve(end, { echo: (value) => value })
        for (let i = 0; i < 1000; i++) mesh.publish('words', Buffer.alloc(1000))
        for (const name of ['close', 'exit', 'throw', 'terminate']) {
          await mesh.available(name)
          mesh.client(name).echo(Buffer.alloc(100_000)).catch(() => {})
        }
        parentPort.postMessage('talks')
        parentPort.once('message', () => {
          if (end === 'close') mesh.close()
          if (end === 'exit') process.exit(7)
          if (end === 'throw') throw new Error('on purpose')
        })
      })\`
    const ends = ['close', 'exit', 'throw', 'terminate']
    const workers = ends.map((end) => new Worker(source, { eval: true, workerData: end }))
    const exits = workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve).on('error', () => {})))
    const talk = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)))
    Promise.all(talk).then(async () => {
      workers.forEach((worker, i) => ends[i] === 'terminate' ? worker.terminate() : worker.postMessage('end'))
      console.log((await Promise.all(exits)).join())
    })`)
  assert.equal(stdout, '0,7,1,1\n', stderr)
  assert.equal(code, 0)
})

test('a worker thread that ends gives its memory back', async () => {
  const { stdout, stderr } = await run(`
    const { Worker } = require('worker_threads')
    const source = "require('warren').join().then((mesh) => mesh.close())"
    // Of the writable mappings that reserve nothing ("nr"), as the boxes are: neither a sanitizer's memory counts nor what
    // malloc keeps for a thread to come.
    const sizeKib = () => {
      const maps = require('fs').readFileSync('/proc/self/smaps', 'utf8').split(/(?<=VmFlags:.*\\n)/)
      const unreserved = maps.filter((map) => / rw-p /.test(map) && /VmFlags:.* nr/.test(map))
      return unreserved.reduce((sum, map) => sum + Number(/Size:\\s+(\\d+)/.exec(map)[1]), 0)
    }
    const thread = () => new Promise((resolve, reject) =>
      new Worker(source, { eval: true }).on('exit', resolve).on('error', reject))
    ;(async () => {
      await thread()
      const before = sizeKib()
      for (let i = 0; i < 20; i++) await thread()
      console.log(sizeKib() - before < 20 * 1024 ? 'given back' : sizeKib() - before + ' KiB more')
      process.exit()
    })()`)
  assert.equal(stdout, 'given back\n', stderr)
})

test('handlers see no context of AsyncLocalStorage but their own', async () => {
  const { stdout, stderr } = await module(`
    import { AsyncLocalStorage } from 'node:async_hooks'
    const mesh = await join()
    const storage = new AsyncLocalStorage()
    await mesh.serve('als', { enter(n) { const before = storage.getStore(); storage.enterWith(n); return before ?? 'none' } })
    const als = mesh.client('als')
    const caller = await storage.run('caller', async () => { await als.enter(0); return storage.getStore() })
    console.log(caller, await Promise.all([als.enter(1), als.enter(2)]))
    process.exit()`)
  assert.equal(stdout, "caller [ 'none', 'none' ]\n", stderr)
})
