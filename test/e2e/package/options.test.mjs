// Options: one that there is not, or of the wrong kind, is told before anything is begun, by every function in the same way.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

let cluster
before(async () => { cluster = await Cluster.start() })
after(() => cluster.stop())

// A module in a process of its own, to its end. `refused(work, options)`: it does not do it, and names an error of arguments.
async function run(source) {
  const text = `
    import { join, testCluster } from 'warren'
    import assert from 'node:assert/strict'
    const mesh = await join()
    const refused = async (work, error) => {
      const outcome = await (async () => work())().then(() => 'it was taken', (err) => err)
      assert.equal(outcome.code, 'ERR_WARREN_BAD_ARGUMENT', work + ': ' + (outcome.stack ?? outcome))
      if (error !== undefined) assert.match(outcome.message, error)
      assert.ok(outcome instanceof TypeError || outcome instanceof RangeError)
    }
    ${source}
    await mesh.close()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { env: { ...process.env, WARREN_DIR: cluster.dir, NODE_OPTIONS: '' } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (said += more))
  const [code] = await once(child, 'close')
  assert.equal(code, 0, said)
}

test('an option that a function does not have is refused, and the one that was meant is named', () => run(`
  const client = mesh.client('job')
  const messages = mesh.subscribe('job.done')
  await refused(() => client.run(1, { timout: 5 }), /^a call has no option "timout": did you mean timeout\\?$/)
  await refused(() => client.run(1, { queue: 'workers' }), /^a call has no option "queue", only timeout, signal, headers, lane, retries, to, key, tags, version$/)
  await refused(() => mesh.client('job', { header: {} }), /^a call has no option "header": did you mean headers\\?$/)
  await refused(() => mesh.request('job', 1, { Timeout: 5 }), /did you mean timeout\\?$/)
  await refused(() => mesh.publish('job', 1, { to: mesh.self }), /^publish\\(\\) has no option "to", only headers, lane, key, tags, version$/)
  await refused(() => mesh.subscribe('job', { highWatermark: 5 }), /^subscribe\\(\\) has no option "highWatermark": did you mean highWaterMark\\?$/)
  await refused(() => messages.unsubscribe({ discrad: true }), /^unsubscribe\\(\\) has no option "discrad": did you mean discard\\?$/)
  await refused(() => mesh.serve('job', { run() {} }, { tag: {} }), /^serve\\(\\) has no option "tag": did you mean tags\\?$/)
  await refused(() => mesh.serve('job', { run() {} }, { exclusive: { tll: '5s' } }), /^exclusive has no option "tll": did you mean ttl\\?$/)
  await refused(() => mesh.lease('job', { waits: false }), /^lease\\(\\) has no option "waits": did you mean wait\\?$/)
  await refused(() => mesh.available('job', { counts: 2 }), /^available\\(\\) has no option "counts": did you mean count\\?$/)
  await refused(() => mesh.close({ time: 5 }), /^close\\(\\) has no option "time", only timeout$/)
  await refused(() => join({ agent: '/tmp/x' }), /^join\\(\\) has no option "agent", only name, agentPath, maxMessage$/)
  await refused(() => join({ nmae: 'x' }), /did you mean name\\?$/)
  await refused(() => testCluster(1, { envs: {} }), /^testCluster\\(\\) has no option "envs": did you mean env\\?$/)
  await refused(() => client.run(1, { timout: undefined }))
`))

test('an AbortSignal in the place of the options is refused, and told where it belongs', () => run(`
  const { signal } = new AbortController()
  const client = mesh.client('job')
  await refused(() => client.run(1, signal), /^the options of a call are an AbortSignal: give it as \\{ signal \\}$/)
  await refused(() => mesh.subscribe('job', signal), /^the options of subscribe\\(\\) are an AbortSignal: give it as/)
  await refused(() => mesh.publish('job', 1, signal), /^the options of publish\\(\\) are an AbortSignal: it takes none$/)
`))

test('an option of the wrong kind is refused, whoever takes it', () => run(`
  const client = mesh.client('job')
  async function* input() { yield 1 }
  const wrong = {
    timeout: [-1, '5s', NaN, null], signal: [1, {}], lane: ['fast', null], key: [{}, '', null], tags: [1, { a: 1 }, null], version: [2, 'new', null],
    retries: [-1, 1.5, '1', null], to: [1, {}, null], headers: [1, null, [], new Map(), { a: 1 }],
  }
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      await refused(() => client.run(1, { [option]: value }))
      await refused(() => mesh.request('job', 1, { [option]: value }))
      if (!['to', 'headers'].includes(option)) await refused(() => mesh.client('job', { [option]: value }))
      else await refused(() => mesh.client('job', { [option]: value }).run(1))
      if (['lane', 'key', 'tags', 'version', 'headers'].includes(option)) await refused(() => mesh.publish('job', 1, { [option]: value }))
    }
  }
  await refused(() => client.run(input(), { retries: 'often' }))
  for (const options of [{ tags: 1 }, { highWaterMark: 0 }, { highWaterMark: '5' }, { overflow: 'explode' }, { signal: 1 }]) await refused(() => mesh.subscribe('job', options))
  for (const options of [{ tags: 1 }, { version: 'new' }, { exclusive: 'yes' }, { exclusive: 0 }, { exclusive: null }, { exclusive: { ttl: 1 } }]) await refused(() => mesh.serve('job', { run() {} }, options))
  for (const options of [{ count: 0 }, { timeout: 'soon' }, { signal: 1 }]) await refused(() => mesh.available('job', options))
  for (const options of [{ agentPath: 5 }, { maxMessage: 'big' }]) await refused(() => join(options))
  for (const options of [{ entry: 5 }, { env: 'a=1' }, { cwd: 5 }, { execArgv: '--inspect' }, { warren: 5 }]) await refused(() => testCluster(1, options))
  const messages = mesh.subscribe('job.done')
  await refused(() => messages.unsubscribe({ discard: 'yes' }))
  await refused(() => mesh.close({ timeout: '1s' }))
`))

test('what is no object is no options', () => run(`
  const client = mesh.client('job')
  const messages = mesh.subscribe('job.done')
  const takers = [(options) => client.run(1, options), (options) => mesh.request('job', 1, options), (options) => mesh.publish('job', 1, options),
    (options) => mesh.client('job', options), (options) => mesh.subscribe('job', options), (options) => messages.unsubscribe(options),
    (options) => mesh.serve('job', { run() {} }, options), (options) => mesh.lease('job', options), (options) => mesh.available('job', options),
    (options) => mesh.close(options), (options) => join(options), (options) => testCluster(1, options)]
  for (const take of takers) for (const options of [null, 5, 'timeout', true, () => {}, ['x']]) await refused(() => take(options), /options must be an object|has no option "0"/)
`))

test('what was refused has begun nothing', () => run(`
  const got = []
  await mesh.serve('echo', { echo: (x) => { got.push(x); return x } })
  const messages = mesh.subscribe('echo.*')
  await messages.ready
  const handlers = { run: () => 1 }
  await refused(() => mesh.client('echo').echo('refused', { timout: 5 }))
  await refused(() => mesh.publish('echo.a', 'refused', { laen: 'bulk' }))
  await refused(() => mesh.serve('job', handlers, { tga: {} }))
  await refused(() => mesh.lease('job', { waits: true }))
  await refused(() => messages.unsubscribe({ discrad: true }))
  await refused(() => mesh.close({ tiemout: 1 }))
  assert.equal(await mesh.client('echo').echo('taken', { timeout: 5000 }), 'taken')
  mesh.publish('echo.a', 'taken', { lane: 'normal' })
  assert.equal((await messages.next()).value.data, 'taken')
  assert.deepEqual(got, ['taken'])
  await mesh.serve('job', handlers)
  assert.equal((await mesh.lease('job', { wait: false })).valid, true)
  assert.equal(mesh.state, 'open')
`))

test('every option that there is, is taken, together with the others', () => run(`
  const { signal } = new AbortController()
  const tags = { zone: 'a' }
  const call = { timeout: 5000, signal, headers: { a: 'b' }, lane: 'bulk', retries: 1, to: mesh.self, key: 7, tags, version: '^2' }
  await mesh.serve('job', { run: (x, { headers }) => [x, headers.a] }, { tags, version: '2.1.0', exclusive: { ttl: '5s' } })
  await mesh.available('job', { count: 1, timeout: 5000, signal })
  assert.deepEqual(await mesh.client('job', call).run(1, call), [1, 'b'])
  const messages = mesh.subscribe('job.*', { queue: 'workers', tags: { ...tags, version: '2.1.0' }, highWaterMark: 5, overflow: 'drop-oldest', signal })
  await messages.ready
  assert.equal(mesh.publish('job.a', 1, { headers: { a: 'b' }, lane: 'bulk', key: 7, tags, version: '2' }), true)
  const { value } = await messages.next()
  assert.deepEqual([value.data, value.headers], [1, { a: 'b' }])
  const asked = mesh.request('job.b', 2, call)
  ;(await messages.next()).value.respond('yes')
  assert.equal(await asked, 'yes')
  messages.unsubscribe({ discard: true })
  const lease = await mesh.lease('job', { ttl: '5s', wait: 5000, signal })
  await lease.release()
  assert.equal(await join({ name: 'x', agentPath: '/x', maxMessage: 1 << 20 }), mesh)
  await mesh.close({ timeout: 5000 })
`))

test('what somebody has put on Object.prototype is no option of anybody', () => run(`
  Object.prototype.polluted = 'everywhere'
  await mesh.serve('job', { run: (x) => x }, {})
  assert.equal(await mesh.client('job', {}).run(1, { timeout: 5000 }), 1)
  assert.equal(mesh.publish('job', 1, { lane: 'bulk' }), true)
`))
