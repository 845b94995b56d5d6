// Whatever ends in the midst of it: nothing half is there, what came stays, and the same command again goes on.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { names, Sandbox, smallDisk, tree } from './sandbox.mjs'

const MIB = 1 << 20

// With a small release there already, so that the directories are, and a large one to bring.
async function open(t) {
  const box = await Sandbox.open(t)
  box.first = await box.agent()
  box.small = await box.bundle()
  box.writeNoise('large.bin', 64 * MIB)
  return box
}

async function goOn(box) {
  assert.deepEqual((await box.bundles()).map(({ id }) => id), [box.small.id])
  const { chunksSent, path: where } = await box.bundle()
  assert.ok(chunksSent < 65, `${chunksSent} of 65 were sent again`)
  assert.deepEqual(tree(where), tree(box.project))
}

test('a command line that is killed: the next one sends the rest', async (t) => {
  const box = await open(t)
  const some = names(path.join(box.store, 'chunks'), 8)
  const ship = box.warren(['bundle'])
  await some
  ship.end('SIGKILL')
  await ship.ended
  await goOn(box)
})

test('an agent that is killed: the command says so, and the next one sends the rest', async (t) => {
  const box = await open(t)
  const some = names(path.join(box.store, 'chunks'), 8)
  const ship = box.warren(['bundle'])
  await some
  await box.killAgent(box.first)
  const end = await ship.ended
  assert.equal(end.code, 4)
  assert.match(end.stderr, /^warren: the agent (ended before it answered|has ended)$/m)
  await box.agent()
  await goOn(box)
})

test('Ctrl-C ends it with 130, also while it packs', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  for (let i = 0; i < 200; i++) box.write(`${i}.js`, `${i}`)
  fs.truncateSync(box.write('zeros', ''), 1 << 30)
  const ship = box.warren(['bundle'])
  while (!isOpen(ship.pid, box.path('zeros'))) await new Promise(setImmediate) // it is packing then, for a while
  ship.kill('SIGINT')
  assert.deepEqual([(await ship.ended).code, (await box.bundles()).length], [130, 0])
})

function isOpen(pid, file) {
  return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === file
    } catch {
      return false // closed by now
    }
  })
}

// Everything in the store that looks like a release is one, and whole.
async function checkStore(box, versions) {
  const listed = await box.bundles()
  for (const { id, path: where } of listed) {
    assert.ok(versions.has(id), `nobody made ${id}`)
    assert.deepEqual(tree(where), versions.get(id))
  }
  return listed
}

test('an agent that is killed again and again, wherever it is: a release is whole or not there', async (t) => {
  const box = await Sandbox.open(t)
  let agent = await box.agent()
  await box.bundle()
  const versions = new Map([[(await box.bundles())[0].id, tree(box.project)]])
  let cut = 0
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 100; i++) box.write(`lib/${i}.js`, `${round} ${i}`)
    // A file that is written has two names there, one after the other; and so has the release.
    const some = names(path.join(box.store, 'tmp'), round < 5 ? 20 + 40 * round : 196 + round)
    const ship = box.warren(['bundle', '--json'])
    await Promise.race([some, ship.ended])
    await box.killAgent(agent)
    const end = await ship.ended
    if (end.code !== 0) cut++
    else versions.set(JSON.parse(end.stdout).id, tree(box.project))
    agent = await box.agent()
    const again = await box.bundle()
    versions.set(again.id, tree(box.project))
    const listed = await checkStore(box, versions)
    const dirs = fs.readdirSync(box.store).filter((name) => /^[0-9a-f]{16}$/.test(name))
    assert.deepEqual(dirs.sort(), listed.map(({ id }) => id).sort())
    assert.deepEqual(fs.readdirSync(path.join(box.store, 'tmp')), [])
  }
  console.log(`# figure ${cut} of 10 were cut off`)
})

test('a piece that was damaged on the disk is sent again', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('lib.js', 'a piece')
  const first = await box.bundle()
  for (const dir of fs.readdirSync(path.join(box.store, 'chunks')))
    for (const name of fs.readdirSync(path.join(box.store, 'chunks', dir))) fs.truncateSync(path.join(box.store, 'chunks', dir, name), 5)
  box.write('other.js', 'more')
  const second = await box.bundle()
  assert.deepEqual(tree(second.path), tree(box.project))
  assert.notEqual(second.id, first.id)
})

test('a disk that is full while pieces come: it is said, and when there is room the rest comes', async (t) => {
  const box = await smallDisk(t, await Sandbox.open(t), '8m')
  if (!box) return
  box.writeNoise('large.bin', 20 * MIB)
  assert.match(await box.refused(), /^warren: the disk with \S+\/releases is full: the release needs up to \d+\.\d MiB more there, and [01]\.\d MiB are free, .*: make room on that disk, then run this again \(what came already stays\)$/m)
  assert.deepEqual(await box.bundles(), [])
  assert.deepEqual(fs.readdirSync(path.join(box.seen, 'tmp')), [])
  box.growDisk('64m')
  const { chunksSent, path: where } = await box.bundle()
  assert.ok(chunksSent <= 22 - 6, `${chunksSent}`)
  assert.deepEqual(tree(box.onDisk(where)), tree(box.project))
})

test('a disk that is full while a release is unpacked: nothing of it is left, and its pieces are', async (t) => {
  const box = await smallDisk(t, await Sandbox.open(t), '8m')
  if (!box) return
  box.writeNoise('large.bin', 5 * MIB)
  assert.match(await box.refused(), /^warren: the disk with \S+ is full: the release needs up to 5\.0 MiB more there, and [23]\.\d MiB are free, /m)
  assert.deepEqual(await box.bundles(), [])
  assert.deepEqual(fs.readdirSync(path.join(box.seen, 'tmp')), [])
  box.write('.warrenignore', 'large.bin\n')
  assert.equal((await box.bundle()).files, 2) // there is room for a small one
  await box.ok(['bundles', '--collect', '0'])
  box.writeNoise('large.bin', 3 * MIB)
  fs.unlinkSync(box.path('.warrenignore'))
  assert.equal((await box.bundle()).files, 2)
})

test('a disk that is full of pieces that nothing needs has room for what comes', async (t) => {
  const box = await smallDisk(t, await Sandbox.open(t), '8m')
  if (!box) return
  box.writeNoise('large.bin', 20 * MIB)
  await box.refused()
  box.writeNoise('large.bin', 2 * MIB)
  const { path: where } = await box.bundle()
  assert.deepEqual(tree(box.onDisk(where)), tree(box.project))
})

test('releases that nobody needs make room for one that comes to a full disk, the oldest first', async (t) => {
  const box = await smallDisk(t, await Sandbox.open(t), '8m')
  if (!box) return
  const ids = []
  for (let i = 0; i < 3; i++) {
    box.writeNoise('large.bin', 1.4 * MIB)
    ids.push((await box.bundle()).id)
  }
  assert.deepEqual((await box.bundles()).map(({ id }) => id).sort(), ids.slice(1).sort())
})
