// examples/search/demo as a user runs it: it ends well, twice, and leaves nothing behind even when interrupted.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { bin, search } from './cluster.mjs'
import { LICENSES, makeCorpus } from './corpus.mjs'

const corpus = makeCorpus()
const scratch = mkdtempSync(join(tmpdir(), 'search-demo-'))
let running = null
after(() => {
  running?.kill('SIGTERM') // a test that timed out has left it
  corpus.remove()
  rmSync(scratch, { recursive: true })
})

// Runs the demo to its end; `onText` sees all it has printed so far, each time it prints.
async function demo(args, { onText = () => {}, env = {} } = {}) {
  const child = spawn(join(search, 'demo'), args, { env: { ...process.env, WARREN_BIN: bin, TMPDIR: scratch, ...env } })
  running = child
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  child.stdout.setEncoding('utf8').on('data', text => onText((stdout += text), child))
  const [code, signal] = await once(child, 'close')
  running = null
  return { stdout, stderr, code, signal }
}

// Every process of a demo has its directory in its environment.
function leftBehind() {
  const isOurs = pid => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`WARREN_DIR=${scratch}/`)
    } catch {
      return false // gone, or not ours
    }
  }
  return { files: readdirSync(scratch), pids: readdirSync('/proc').filter(name => /^\d+$/.test(name) && isOurs(name)) }
}

const NOTHING = { files: [], pids: [] }

test('the demo ends well, twice, and leaves nothing behind', { timeout: 120_000 }, async () => {
  for (let i = 0; i < 2; i++) {
    const { stdout, stderr, code } = await demo(['--query', 'alpha', '--query', 'free software', corpus.root, LICENSES])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /its death was noticed after \d+\.\d ms \(killed, SIGKILL\)/)
    assert.match(stdout, /indexed again in/)
    assert.match(stdout, /The same 2 queries again: equal answers/)
    assert.deepEqual(leftBehind(), NOTHING)
  }
})

for (const [signal, exitCode] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  test(`a demo that gets ${signal} cleans up`, { timeout: 60_000 }, async () => {
    let isSent = false
    const onText = (text, child) => {
      if (!isSent && text.includes('indexed')) isSent = child.kill(signal)
    }
    const { code } = await demo([corpus.root, LICENSES], { onText })
    assert.equal(code, exitCode)
    assert.deepEqual(leftBehind(), NOTHING)
  })
}

test('an empty directory has no answers, and they are equal too', { timeout: 60_000 }, async () => {
  mkdirSync(join(corpus.root, 'empty/really'))
  const { stdout, code, stderr } = await demo([join(corpus.root, 'empty/really')])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /indexed 0 files/)
})

test('what can not work is one clear sentence and the right exit code', { timeout: 60_000 }, async () => {
  const missing = await demo(['/no/such/directory'])
  assert.deepEqual([missing.code, missing.stderr], [2, 'demo: /no/such/directory is not a directory\n'])

  const badLimit = await demo(['--max-files', 'many'])
  assert.deepEqual([badLimit.code, badLimit.stderr], [2, 'demo: --max-files takes a whole number above 0\n'])

  const unbuilt = await demo([], { env: { WARREN_BIN: scratch } })
  assert.equal(unbuilt.code, 1)
  assert.match(unbuilt.stderr, /^demo: nothing is built in .* yet: run 'make' first\n$/)
  assert.deepEqual(leftBehind(), NOTHING)
})
