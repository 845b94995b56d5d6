// The file copy example: trees go there and come back, and what was not copied whole leaves nothing behind.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Sandbox } from '../agent/harness.mjs'

const example = fileURLToPath(new URL('../../../examples/files', import.meta.url))
const LARGE_LEN = 1 << 30

async function open(t) {
  const box = await Sandbox.open(t)
  await box.agent()
  const store = join(box.dir, 'store')
  mkdirSync(store)
  const { code, stderr } = await box.done(['run', '-d', join(example, 'store.mjs'), '--name', 'store', '--', store])
  assert.equal(code, 0, stderr)
  const copy = (...args) => box.start(process.env.WARREN_NODE, [join(example, 'copy.mjs'), ...args])
  return { box, store, copy, here: (...names) => join(box.dir, ...names) }
}

function makeTree(root) {
  mkdirSync(join(root, 'deep/er'), { recursive: true })
  writeFileSync(join(root, 'text'), 'hello\n')
  writeFileSync(join(root, 'empty'), '')
  writeFileSync(join(root, 'deep/er/large'), Buffer.alloc(3_000_001, 'xyz'))
  writeFileSync(join(root, 'program'), '#!/bin/sh\n')
  chmodSync(join(root, 'program'), 0o755)
}

// Looks again in each turn of the loop.
async function until(is) {
  while (!is()) await new Promise(setImmediate)
}
const halves = (dir) => readdirSync(dir).filter((name) => name.endsWith('.part'))

test('a tree that was put and got back is the same, with its modes; a list names its files', async (t) => {
  const { copy, here } = await open(t)
  makeTree(here('tree'))
  assert.match((await copy('put', here('tree')).ended).stdout, /^4 files, 3000017 bytes$/m)
  assert.deepEqual((await copy('list', 'tree').ended).stdout.trim().split('\n').sort(), ['tree/deep/er/large', 'tree/empty', 'tree/program', 'tree/text'])
  const { code, stdout, stderr } = await copy('get', 'tree', here('back')).ended
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^4 files/m)
  execFileSync('diff', ['-r', here('tree'), here('back')])
  execFileSync('test', ['-x', here('back', 'program')])
  assert.equal((await copy('get', 'tree/text', here('one')).ended).code, 0)
  execFileSync('cmp', [here('tree', 'text'), here('one')])
})

test('Ctrl-C while a file goes there leaves no half of it', async (t) => {
  const { copy, here, store } = await open(t)
  writeFileSync(here('large'), '')
  truncateSync(here('large'), LARGE_LEN)
  const put = copy('put', here('large'))
  await until(() => halves(store).length > 0)
  put.kill('SIGINT')
  const { code, stderr } = await put.ended
  assert.equal(code, 130, stderr)
  await until(() => readdirSync(store).length === 0)
})

test('a store that dies while a file comes leaves no half of it here, and the copy says why', async (t) => {
  const { box, copy, here, store } = await open(t)
  mkdirSync(here('to'))
  writeFileSync(join(store, 'large'), '')
  truncateSync(join(store, 'large'), LARGE_LEN)
  const get = copy('get', 'large', here('to', 'large'))
  await until(() => halves(here('to')).length > 0)
  await box.done(['stop', 'store', '--kill'])
  const { code, stderr } = await get.ended
  assert.equal(code, 1)
  assert.notEqual(stderr, '')
  assert.deepEqual(readdirSync(here('to')), [])
})

test('what is not below the directory of the store is neither given nor taken, also not through a link', async (t) => {
  const { copy, here, store } = await open(t)
  writeFileSync(here('secret'), 'secret')
  symlinkSync(here(), join(store, 'link'))
  for (const args of [['get', '../secret', here('got')], ['get', 'link/secret', here('got')], ['put', here('secret'), '../new'], ['put', here('secret'), 'link/new']]) {
    const { code, stderr } = await copy(...args).ended
    assert.deepEqual([code, /is not in this store/.test(stderr)], [1, true], args.join(' '))
  }
  assert.ok(!readdirSync(here()).includes('new') && !readdirSync(here()).includes('got'))
  assert.equal((await copy('put').ended).code, 2)
})
