// Nodes forked from one zygote are different processes in everything that a program can see.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { Zygote, program, run, warrenNode } from './harness.mjs'

let zygote
before(async () => { zygote = await Zygote.boot({ env: { LANG: 'C.UTF-8', TZ: 'UTC', ZYGOTE_ONLY: '1' } }) })
after(() => zygote.close())

const see = async (args, options) => {
  const node = await zygote.run([program('identity.cjs'), ...args], options)
  assert.equal(node.stderr, '')
  assert.equal(node.coldReason, '')
  return JSON.parse(node.stdout)
}

test('two siblings side by side', async (t) => {
  const started = Date.now()
  const [a, b] = await Promise.all([
    see(['a'], { env: { NUMBER: '1', TZ: 'Asia/Tokyo' }, cwd: program('package'), title: 'app.0' }),
    see(['b', 'c'], { env: { NUMBER: '2' }, cwd: program(''), title: 'a title that is a good deal longer than the command line of the zygote' }),
  ])
  for (const key of Object.keys(a)) t.diagnostic(`${key}: ${JSON.stringify(a[key])} | ${JSON.stringify(b[key])}`)

  for (const key of ['pid', 'argv', 'title', 'cwd', 'number', 'random', 'uuid', 'int', 'bytes', 'origin', 'session', 'zone', 'cmdline', 'comm']) {
    assert.notDeepEqual(a[key], b[key], key)
  }
  for (const node of [a, b]) {
    assert.equal(node.pid, node.realPid)
    assert.equal(node.ppid, zygote.pid)
    assert.equal(node.session, String(node.pid))
    assert.equal(node.execPath, warrenNode)
    assert.equal(node.cmdline, node.title)
    assert.equal(node.comm, node.title.slice(0, 15))
    assert.ok(node.origin > started - 1000 && node.origin <= Date.now(), 'the time origin is the launch')
    assert.equal(node.threads, 2, 'the program and its leash')
  }
  assert.deepEqual(a.argv, [program('identity.cjs'), 'a'])
  assert.equal(a.cwd, program('package'))
  assert.deepEqual([a.zone, b.zone, a.number, b.number], [9, 0, '1', '2'])
})

test('fifty siblings never draw the same numbers', async () => {
  const nodes = await Promise.all(Array.from({ length: 50 }, () => see([])))
  for (const key of ['pid', 'random', 'uuid', 'int', 'bytes']) {
    assert.equal(new Set(nodes.map((node) => node[key])).size, 50, key)
  }
})

test('siblings ask DNS servers with ids of their own', async () => {
  const nodes = await Promise.all([1, 2, 3].map(() => zygote.run([program('resolves.cjs')])))
  const ids = nodes.map((node) => node.stdout.trim())
  assert.equal(new Set(ids).size, 3, ids.join(' | '))
})

test('nothing of the zygote\'s environment is left', async () => {
  const node = await zygote.run([program('environment-names.cjs')], { env: { ONLY: 'mine' } })
  assert.equal(node.stdout, 'HOME,ONLY,PATH\n')
})

test('NODE_PATH and HOME are the node\'s own', async () => {
  const env = { NODE_PATH: program('package'), HOME: '/nowhere' }
  const node = await zygote.run([program('paths.cjs')], { env })
  assert.equal(node.stdout, `${program('package')}:/nowhere/.node_modules\n`)
  assert.equal(node.stdout, (await run([program('paths.cjs')], { env })).stdout)
})

test('SIGUSR1 opens the inspector', async () => {
  const node = zygote.launch([program('waits.cjs')])
  await node.prints('ready')
  process.kill(node.pid, 'SIGUSR1')
  await node.prints('Debugger listening', 'stderr')
  process.kill(node.pid, 'SIGTERM')
  assert.equal((await node.exited).signal, 'SIGTERM')
})

test('nothing is left of the programs that the zygote ran', async () => {
  for (const name of ['untouched.cjs', 'untouched.mjs']) {
    const [forked, cold] = await Promise.all([zygote.run([program(name)]), run([program(name)])])
    assert.equal(forked.stderr, '')
    assert.deepEqual(JSON.parse(forked.stdout), JSON.parse(cold.stdout), name)
  }
})

test('a zygote that can write no file starts nodes, and leaves none', async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'zygote-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const leftOver = path.join(dir, 'warren-rehearsal-abcdef') // of a zygote that was killed
  mkdirSync(leftOver)
  utimesSync(leftOver, 1, 1)
  for (const TMPDIR of [dir, `${dir}/none`]) {
    const other = await Zygote.boot({ env: { TMPDIR } })
    for (const name of ['entry.cjs', 'entry.mjs']) assert.equal((await other.run([program(name)])).code, 0)
    await other.close()
  }
  assert.deepEqual(readdirSync(dir), [])
})
