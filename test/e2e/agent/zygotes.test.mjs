// Zygotes of services: who gets one, what is shared, when it is made anew.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, programs } from './harness.mjs'

const file = (name) => path.join(programs, 'zygotes', name)
const SAYS = file('says.js')

// Runs to the end; what each node printed, by its fields.
async function run(box, args, options) {
  const { stdout, stderr, code } = await box.done(['run', '--no-prefix', ...args], options)
  assert.equal(code, 0, stderr)
  return stdout.trim().split('\n').map((line) => JSON.parse(line))
}
const logOf = (box) => box.log?.output ?? box.agentLog()
const starts = (box) => [...logOf(box).matchAll(/ started \(pid \d+(?:, cold: (.*))?\)$/gm)].map(([, reason = '']) => reason)
const boots = (box) => [...logOf(box).matchAll(/warren-node \(pid (\d+)(, with what a service loads first)?\) is ready/g)].map(([, pid, own]) => ({ pid: Number(pid), isOwn: own !== undefined }))
const distinct = (list) => new Set(list).size

test('a module that takes 100 ms to load is loaded once for all instances, also for those that come later', async (t) => {
  const box = await Sandbox.open(t)
  const env = { LOADS: path.join(box.dir, 'loads') }
  const agent = box.log = await box.agent()
  const ran = await run(box, ['-i', '6', '--preload', file('slow.js'), SAYS, '--', file('slow.js')], { env })
  assert.equal(ran.length, 6)
  ran.push(...await run(box, ['-i', '2', '--preload', file('slow.js'), SAYS, '--', file('slow.js')], { env }))
  t.diagnostic(`figure import in a node whose service preloads it: ${ran.map(({ ms }) => ms.toFixed(1)).join(', ')} ms`)
  assert.equal(fs.readFileSync(env.LOADS, 'utf8'), 'x')
  assert.equal(boots(box).filter(({ isOwn }) => isOwn).length, 1)
  assert.deepEqual(starts(box), Array(8).fill(''))
  agent.end()
})

test('siblings draw different random values, whatever was drawn before the fork', async (t) => {
  const box = await Sandbox.open(t)
  const ran = await run(box, ['-i', '5', '--preload', file('random.js'), SAYS, '--', file('random.js')])
  for (const key of ['uuid', 'int', 'math', 'kept', 'pid']) assert.equal(distinct(ran.map((node) => node[key])), 5, key)
  assert.deepEqual(starts(box), Array(5).fill(''))
})

test('ES modules are loaded first, too', async (t) => {
  const box = await Sandbox.open(t)
  const ran = await run(box, ['-i', '2', '--preload', file('library.mjs'), SAYS])
  assert.equal(distinct(ran.map(({ library }) => library)), 1)
  assert.notEqual(ran[0].library, undefined)
  assert.deepEqual(starts(box), ['', ''])
})

test('several instances with options or variables that only a boot reads are forked from a zygote of their own', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.log = await box.agent()
  const flags = ['--node-arg=--max-old-space-size=64', '--node-arg=--no-warnings']
  const ran = await run(box, ['-i', '3', ...flags, SAYS])
  for (const { execArgv, heapMiB } of ran) assert.deepEqual([execArgv, heapMiB < 130], [['--max-old-space-size=64', '--no-warnings'], true])
  await run(box, ['-i', '2', SAYS], { env: { NODE_OPTIONS: '--max-old-space-size=64', NODE_EXTRA_CA_CERTS: '/no/such.pem' } })
  assert.deepEqual(starts(box), Array(5).fill(''))
  await run(box, [...flags, SAYS]) // alone
  await run(box, ['-i', '2', '--node-arg=--cpu-prof', SAYS], { cwd: box.dir })
  assert.deepEqual(starts(box).slice(5), ['--max-old-space-size=64', '--cpu-prof', '--cpu-prof'].map((what) => `${what} is read when Node boots`))
  agent.end()
})

const UNSHARED = {
  timer: /unshared\.js, loaded before the fork, has left a timer running$/,
  server: /has left a handle open \(tcp\)$/,
  file: /keeps a file open \(.*unshared\.js\)$/,
  thread: /has started threads$/,
  random: /has drawn random bytes, which all would share$/,
  pid: /has read process\.pid$/,
  prints: /uses process\.stdout$/,
}
// What the first and the second request of a fresh node were answered.
async function firstRequests(box, options) {
  const server = box.warren(['run', '--no-prefix', ...options, file('warmed_server.js')], { env: { NAME: 'same' } })
  const [, port] = await server.until(/port (\d+)/)
  const answers = []
  for (let i = 0; i < 2; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/?from=12`)
    answers.push(await response.json())
  }
  server.kill('SIGTERM')
  await server.ended
  assert.equal(answers[0].body.length, 8)
  return answers
}

test('the first request of a fresh node is served by code that was warmed up before the fork', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.log = await box.agent()
  const [first] = await firstRequests(box, ['--preload', file('warms.js')])
  assert.ok(first.runs > 0)
  assert.equal(first.before, first.runs) // its handler has run so often, and never for a request
  assert.equal(first.compiled, 0)
  const [other] = await firstRequests(box, ['--preload', file('warms.js')])
  assert.deepEqual(other, first) // from the same zygote, in which it has run no more
  assert.equal(boots(box).filter(({ isOwn }) => isOwn).length, 1)
  const [fresh, second] = await firstRequests(box, []) // anywhere else warmUp() runs nothing
  assert.deepEqual([fresh.runs, fresh.before], [0, 0])
  assert.deepEqual(first.environment.sort(), fresh.environment.sort()) // the zygote has seen no other
  assert.ok(fresh.compiled > 0)
  assert.equal(second.compiled, 0)
  assert.deepEqual(starts(box), ['', '', ''])
  agent.end()
})

// What was rehearsed in the zygote is not so near to V8's mark of hot code that each node goes beyond it, and compiles on threads.
test('a node that has heard of a hundred others has no more threads than one alone', { skip: process.env.SANITIZE ? 'a hundred nodes with sanitizers' : false }, async (t) => {
  const box = await Sandbox.open(t)
  const threadsOf = async (count) => {
    const proc = box.warren(['run', '--no-prefix', '-i', String(count), file('many.js'), '--', String(count)])
    while (proc.text('stdout').split('\n').length <= count) await once(proc.streams.stdout, 'data')
    proc.kill('SIGTERM')
    const { stdout } = await proc.ended
    return stdout.match(/\{.*\}/g).map((line) => JSON.parse(line).threads)
  }
  const [alone] = await threadsOf(1)
  assert.deepEqual(await threadsOf(100), Array(100).fill(alone))
})

test('work for warmUp() that forks could not share makes nodes start cold, and says why', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.log = await box.agent()
  for (const [WARM, why] of [['timer', /warms\.js, loaded before the fork, has left a timer running$/], ['throws', /its warm-up could not be loaded before the fork: it cannot be warmed$/]]) {
    const server = box.warren(['run', '--no-prefix', '--preload', file('warms.js'), file('warmed_server.js')], { env: { WARM } })
    const [, port] = await server.until(/port (\d+)/)
    const { runs } = await (await fetch(`http://127.0.0.1:${port}/?from=12`)).json()
    assert.equal(runs, 0)
    assert.match(starts(box).at(-1), why)
    server.kill('SIGTERM')
    await server.ended
  }
  agent.end()
})

test('what forks could not share starts cold, and says why', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.log = await box.agent()
  for (const [work, reason] of Object.entries(UNSHARED)) {
    const { stdout, code } = await box.done(['run', '--no-prefix', '--preload', file('unshared.js'), file('kept_nothing.js')], { env: { WORK: work } })
    assert.match(starts(box).at(-1), reason)
    assert.deepEqual([stdout, code], [`${work === 'prints' ? 'from the module\n' : ''}ran\n`, 0])
  }
  agent.end()
})

test('a module that fails fails in the node, where its owner reads it', async (t) => {
  const box = await Sandbox.open(t)
  const thrown = await box.done(['run', '--preload', file('unshared.js'), file('kept_nothing.js')], { env: { WORK: 'throws' } })
  assert.match(thrown.stderr, /exports|throws: .*\^.*Error: not today\n.*at Object.throws/s)
  assert.equal(thrown.code, 1)
  assert.match(starts(box).at(-1), /unshared\.js could not be loaded before the fork: not today$/)
  const ended = await box.done(['run', '--preload', file('unshared.js'), file('kept_nothing.js')], { env: { WORK: 'exits' } })
  assert.equal(ended.code, 3)
  const missing = await box.done(['run', '--preload', './no/such.js', file('kept_nothing.js')])
  assert.match(missing.stderr, /Cannot find module '\.\/no\/such\.js'/)
  assert.equal(missing.code, 1)
})

test('what modules usually do is shared: variables, signal handlers, a look at the terminal, streams that are kept', async (t) => {
  const box = await Sandbox.open(t)
  const { stdout, code } = await box.done(['run', '--no-prefix', '-i', '2', '--preload', file('harmless.js'), file('kept_stream.js'), '--', file('harmless.js')])
  assert.equal(code, 0)
  assert.equal(stdout, 'kept true true set by a module\n'.repeat(2))
  assert.deepEqual(starts(box), ['', ''])
})

test('a start runs the new code of a module that has changed, and a zygote of before goes with its last node', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.log = await box.agent()
  const module = path.join(box.dir, 'module.js')
  const write = (version) => {
    fs.writeFileSync(`${module}.new`, `globalThis.fromLibrary = ${version}`)
    fs.utimesSync(`${module}.new`, 1e9 + version, 1e9 + version)
    fs.renameSync(`${module}.new`, module)
  }
  const start = (name) => run(box, ['--preload', module, SAYS], { env: { NAME: 'same' } })
  write(1)
  const old = box.warren(['run', '--preload', module, 'probe.js'])
  const probe = await box.probes.next()
  assert.equal((await start())[0].library, 1)
  write(2)
  assert.equal((await start())[0].library, 2)
  assert.equal((await start())[0].library, 2)
  fs.rmSync(module)
  const gone = await box.done(['run', '--preload', module, SAYS], { env: { NAME: 'same' } })
  assert.match(gone.stderr, /Cannot find module/)
  assert.doesNotThrow(() => process.kill(probe.pid, 0))
  old.end()
  await old.ended
  agent.end()
})

test('a new warren-node is used by the next start', async (t) => {
  const box = await Sandbox.open(t)
  const copy = path.join(box.dir, 'warren-node')
  const install = () => {
    fs.copyFileSync(process.env.WARREN_NODE, `${copy}.new`)
    fs.utimesSync(`${copy}.new`, 1e9, 1e9)
    fs.renameSync(`${copy}.new`, copy)
  }
  install()
  const agent = box.log = await box.agent({ env: { WARREN_NODE: copy } })
  await run(box, [SAYS])
  install()
  await run(box, [SAYS])
  await run(box, [SAYS])
  await agent.until(/was ended: another has taken its place/)
  assert.equal(boots(box).length, 2)
  agent.end()
})

test('no more than eight zygotes of services: the one that was not used for longest makes room', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.log = await box.agent()
  const start = (i) => run(box, ['-i', '2', `--node-arg=--stack-size=${900 + i}`, SAYS])
  for (let i = 0; i < 9; i++) await start(i)
  await agent.until(/was ended: others need its place/)
  const [first, ...others] = boots(box).filter(({ isOwn }) => isOwn)
  assert.match(agent.output, new RegExp(`warren-node \\(pid ${first.pid}\\) was ended: others need`))
  for (const { pid } of others) process.kill(pid, 0)
  assert.deepEqual(starts(box), Array(18).fill(''))
  agent.end()
})
