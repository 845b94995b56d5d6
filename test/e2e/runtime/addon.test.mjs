// A native addon from npm, as it comes built: bufferutil's Node-API binary.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { Zygote, program, run } from './harness.mjs'

const dir = path.join(process.env.WARREN_TEST_DIR, 'addon')
before(async () => {
  if (existsSync(path.join(dir, 'node_modules/bufferutil'))) return
  mkdirSync(dir, { recursive: true })
  const packages = ['bufferutil@4.0.8', 'node-gyp-build@4.8.4']
  await promisify(execFile)('npm', ['install', '--prefix', dir, '--ignore-scripts', '--no-audit', '--no-fund', ...packages])
})

const MASKED = 'native true\n01030507\n'

test('runs in a program by itself', async () => {
  const result = await run([program('addon.cjs'), dir])
  assert.equal(result.stdout, MASKED, result.stderr)
})

test('runs in a forked node', async () => {
  const zygote = await Zygote.boot()
  const node = await zygote.run([program('addon.cjs'), dir])
  assert.equal(node.coldReason, '')
  assert.equal(node.stdout, MASKED, node.stderr)
  await zygote.close()
})
