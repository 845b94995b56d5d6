// Launches and ends of nodes, as the agent sees them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Zygote, launcher, program, run, warrenNode } from './harness.mjs'

describe('launches', () => {
  let zygote
  before(async () => { zygote = await Zygote.boot() })
  after(() => zygote.close())

  test('a missing program is refused with a sentence', async () => {
    const node = await zygote.run(['/no/such/app.js'])
    assert.deepEqual([node.pid, node.error], [0, 'cannot start /no/such/app.js: No such file or directory'])
  })
  test('a missing directory is refused with a sentence', async () => {
    const node = await zygote.run([program('waits.cjs')], { cwd: '/no/such' })
    assert.equal(node.error, `cannot start ${program('waits.cjs')} in the directory /no/such: No such file or directory`)
  })
  test('a file is no directory to start in', async () => {
    const node = await zygote.run([program('waits.cjs')], { cwd: program('waits.cjs') })
    assert.match(node.error, /in the directory .*waits\.cjs: Not a directory$/)
  })
  test('a malformed request is refused and does not harm the zygote', async () => {
    assert.match((await zygote.run([])).error, /malformed/)
    assert.match((await zygote.run(Array(4097).fill('/a'))).error, /malformed/)
    assert.equal((await zygote.run([program('entry.cjs')])).code, 0)
  })

  const COLD = [
    ['options for Node', { execArgv: ['--stack-trace-limit=3'] }, '--stack-trace-limit=3'],
    ['NODE_OPTIONS', { env: { NODE_OPTIONS: '--no-warnings' } }, 'NODE_OPTIONS'],
    ['another locale', { env: { LANG: 'de_DE.UTF-8' } }, 'LANG'],
    ['a library to load first', { env: { LD_PRELOAD: '' } }, 'LD_PRELOAD'],
  ]
  for (const [name, options, what] of COLD) {
    test(`${name}: started cold, with the reason`, async () => {
      const node = await zygote.run([program('entry.cjs'), 'a'], options)
      assert.equal(node.coldReason, `${what} is read when Node boots`)
      assert.match(node.stdout, /^true entry\.cjs \[ 'a' \] function\n/)
    })
  }
  test('cold and forked nodes have the same title, session and environment', async () => {
    const [cold, forked] = await Promise.all([{ execArgv: ['--no-warnings'] }, {}].map((options) =>
      zygote.run([program('identity.cjs'), 'x'], { title: 'app.7', ...options })))
    const [a, b] = [cold, forked].map((node) => JSON.parse(node.stdout))
    for (const key of ['argv', 'execPath', 'title', 'cwd', 'comm', 'cmdline', 'ppid', 'zone']) assert.deepEqual(a[key], b[key], key)
    assert.equal(a.session, String(a.pid))
  })
  test('the end of a node is told by code, by signal and by its pidfd', async () => {
    const done = zygote.launch([program('exit-events.cjs')])
    assert.equal((await done.exited).code, 7)
    await done.gone
    const killed = zygote.launch([program('waits.cjs')])
    await killed.prints('ready')
    process.kill(killed.pid, 'SIGKILL')
    assert.equal((await killed.exited).signal, 'SIGKILL')
    await killed.gone
  })
  for (const [how, options] of [['forked', {}], ['cold', { execArgv: ['--no-warnings'] }]])
    test(`that the process of a ${how} node was stopped is told`, async () => {
      const node = zygote.launch([program('waits.cjs')], options)
      await node.prints('ready')
      process.kill(node.pid, 'SIGSTOP')
      await node.stopped
      process.kill(node.pid, 'SIGCONT')
      process.kill(node.pid, 'SIGTERM')
      assert.equal((await node.exited).signal, 'SIGTERM')
    })
  test('a node takes signals as it likes', async () => {
    const node = zygote.launch([program('listens-to-signals.cjs')])
    await node.prints('ready')
    for (const signal of ['SIGINT', 'SIGUSR2', 'SIGTERM']) {
      process.kill(node.pid, signal)
      await node.prints(signal)
    }
    assert.equal((await node.exited).code, 0)
  })
  test('a process run by itself takes signals as it likes', async () => {
    const onStart = (child) => child.stdout.once('data', () => child.kill('SIGTERM'))
    assert.equal((await run([program('waits.cjs')], { onStart })).signal, 'SIGTERM')
    assert.equal((await run([program('listens-to-signals.cjs')], { onStart })).code, 0)
  })
})

async function bootFor(t, ...command) {
  const zygote = await Zygote.boot({ command })
  t.after(() => zygote.close())
  return zygote
}

// The limits count what one user runs, and not for root: a user of our own, who can read copies of what it runs.
describe('when the host gives no more processes', { skip: process.getuid() !== 0 && 'needs root' }, () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'no-process-'))
  const copy = (file) => {
    copyFileSync(file, path.join(dir, path.basename(file)))
    return path.join(dir, path.basename(file))
  }
  const [launch, node, waits] = [launcher, warrenNode, program('waits.cjs')].map(copy)
  chmodSync(dir, 0o755)
  after(() => rmSync(dir, { recursive: true }))
  const boot = (t, count) => bootFor(t, 'setpriv', `--reuid=${100_000 + process.pid}`, '--clear-groups', 'prlimit', `--nproc=${count}`, launch, node)

  test('a launch is refused with a sentence, and the next one works when there is room', async (t) => {
    const zygote = await boot(t, 4) // the launcher, the zygote, one node and its leash
    const first = zygote.launch([waits], { cwd: '/' })
    await first.prints('ready')
    for (const execArgv of [[], ['--no-warnings']]) {
      const refused = await zygote.run([waits], { cwd: '/', execArgv })
      assert.deepEqual([refused.pid, refused.error], [0, `cannot start ${waits}: fork: Resource temporarily unavailable`])
    }
    process.kill(first.pid, 'SIGKILL')
    await first.exited
    await zygote.launch([waits], { cwd: '/' }).prints('ready')
  })
  test('a node without a thread for its leash does not run, and says why', async (t) => {
    const zygote = await boot(t, 3)
    for (const execArgv of [[], ['--no-warnings']]) {
      const ended = await zygote.run([waits], { cwd: '/', execArgv })
      assert.deepEqual([ended.code, ended.stderr], [70, 'cannot start a node: no thread for it: Resource temporarily unavailable\n'])
    }
  })
})

test('a zygote that may open no more files refuses launches with a sentence', async (t) => {
  const zygote = await bootFor(t, launcher, warrenNode)
  execFileSync('prlimit', [`--pid=${zygote.pid}`, '--nofile=3:'])
  const node = await zygote.run([program('waits.cjs')])
  assert.equal(node.error, 'cannot start a node: warren-node may open no more files')
  execFileSync('prlimit', [`--pid=${zygote.pid}`, '--nofile=1024:'])
  assert.equal((await zygote.run([program('entry.cjs')])).code, 0)
})

test('a zygote whose file was removed still starts nodes, forked and cold', async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'removed-'))
  const copy = path.join(dir, 'warren-node')
  copyFileSync(warrenNode, copy)
  const zygote = await bootFor(t, launcher, copy)
  rmSync(dir, { recursive: true })
  for (const execArgv of [[], ['--no-warnings']]) assert.equal((await zygote.run([program('entry.cjs')], { execArgv })).code, 0)
})

describe('when the agent is gone', () => {
  test('its nodes end: at once, with their own handling, and the stuck one after the grace', async () => {
    const zygote = await Zygote.boot()
    const plain = zygote.launch([program('waits.cjs')])
    const cold = zygote.launch([program('waits.cjs')], { execArgv: ['--no-warnings'] })
    const careful = zygote.launch([program('listens-to-signals.cjs')])
    const stuck = zygote.launch([program('stuck.cjs')])
    await Promise.all([plain.prints('ready'), cold.prints('ready'), careful.prints('ready'), stuck.prints('stuck')])
    zygote.cut('leash')
    assert.equal((await plain.exited).signal, 'SIGTERM')
    assert.equal((await cold.exited).signal, 'SIGTERM')
    assert.equal((await careful.exited).code, 0)
    assert.match(careful.stdout, /SIGTERM/)
    assert.equal((await stuck.exited).signal, 'SIGKILL')
    await zygote.close()
  })
  test('the zygote ends, and kills what has no leash left to do it', async () => {
    const zygote = await Zygote.boot()
    const node = zygote.launch([program('waits.cjs')])
    await node.prints('ready')
    zygote.cut('socket') // the leash is still held
    await node.gone
    await zygote.close()
  })
  test('an idle zygote ends at once', async () => {
    const zygote = await Zygote.boot()
    zygote.cut('socket')
    await zygote.close()
    assert.throws(() => process.kill(zygote.pid, 0), { code: 'ESRCH' })
  })
})

test('the death of the zygote leaves its nodes alone', async () => {
  const zygote = await Zygote.boot()
  const node = zygote.launch([program('listens-to-signals.cjs')])
  await node.prints('ready')
  process.kill(zygote.pid, 'SIGKILL')
  await zygote.gone
  process.kill(node.pid, 'SIGUSR2')
  await node.prints('SIGUSR2')
  zygote.cut('leash')
  await node.prints('SIGTERM')
  await node.gone
  await zygote.close()
})
