// The example spell, built as its README says: from an installed libwarren, with pkg-config.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Cluster } from '../messages/cluster.mjs'

const source = fileURLToPath(new URL('../../../examples/spell/', import.meta.url))
const GPL = '/usr/share/common-licenses/GPL-3'

describe('the example spell', { timeout: 100_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'warren-spell-'))
  const spell = join(dir, 'spell')
  let cluster, service, env
  before(async () => {
    execFileSync('cmake', ['--install', process.env.BUILD, '--prefix', dir], { stdio: ['ignore', 'ignore', 'inherit'] })
    const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'warren', 'libuv', 'msgpack'], {
      env: { ...process.env, PKG_CONFIG_PATH: join(dir, 'lib/pkgconfig') }, encoding: 'utf8',
    }).trim().split(/\s+/)
    const more = process.env.SANITIZE ? [`-fsanitize=${process.env.SANITIZE}`] : []
    execFileSync('cc', ['-Wall', '-Wextra', '-Werror', ...more, '-o', spell, join(source, 'spell.c'), ...flags, `-Wl,-rpath,${dir}/lib`], { stdio: 'inherit' })
    cluster = await Cluster.start()
    env = { ...process.env, WARREN_DIR: cluster.dir }
    service = spawn(spell, ['serve', GPL], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const [line] = await once(createInterface({ input: service.stderr }), 'line')
    assert.match(line, /^spell: \d+ words$/)
  })
  after(async () => {
    service?.kill('SIGKILL')
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const run = (...args) => promisify(execFile)(spell, args, { env })

  test('answers its own client', async () => {
    assert.equal((await run('ask', 'licence', 'softwear')).stdout, 'licence: license licenses licensed licensee\nsoftwear: software\n')
  })

  test('answers a program in JavaScript', async () => {
    const check = spawn(join(process.env.WARREN_BIN, 'warren'), ['run', join(source, 'check.mjs')], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    check.stdin.end('a licence for softwear\n')
    const lines = []
    for await (const line of createInterface({ input: check.stdout })) lines.push(line)
    assert.deepEqual(lines, ['check.0 | licence: license licenses licensed', 'check.0 | softwear: software'])
  })

  test('says what is wrong with its input, to the caller and on the command line', async () => {
    await assert.rejects(run('ask', 'x'.repeat(40)), ({ code, stderr }) => code === 1 && /ERR_WARREN_APPLICATION: suggest.*at most 32 letters/.test(stderr))
    await assert.rejects(run('serve', '/nowhere'), ({ code, stderr }) => code === 1 && /\/nowhere: No such file/.test(stderr))
    await assert.rejects(run(), ({ code, stderr }) => code === 2 && /usage/.test(stderr))
  })

  test('leaves when it is told to, and then nobody serves it', async () => {
    const ended = once(service, 'exit')
    service.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    await assert.rejects(run('ask', 'licence'), ({ stderr }) => /ERR_WARREN_NO_RESPONDERS/.test(stderr))
  })
})
