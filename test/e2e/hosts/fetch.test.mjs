// Releases from host to host, in network namespaces: agents of three hosts give what a fourth misses, whoever of them dies.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Cluster } from './cluster.mjs'
import { skip } from './net.mjs'

const FILES = 40
const LEN = 600_000 // of a file: random, so that it does not compress

const carrier = `${process.env.WARREN_TEST}/warren-carrier`
const sum = (file) => createHash('sha256').update(fs.readFileSync(file)).digest('hex')
const release = (host, id) => path.join(host.state, 'releases', id)

// An application on the first host, which takes it in; what it calls that.
async function takeIn(host) {
  const dir = path.join(host.dir, 'app')
  fs.mkdirSync(dir)
  for (let i = 0; i < FILES; i++) fs.writeFileSync(path.join(dir, `${i}.bin`), randomBytes(LEN))
  const { code, stdout, stderr } = await host.done(['bundle', dir, '--json'])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1)).id
}

async function endAgent(host) {
  const { code } = await host.done(['agent', '--stop'])
  assert.equal(code, 0)
}

// In the place of the host's agent, which does not run.
function carry(host, first, id) {
  return host.start(carrier, [host.state, path.join(first.state, 'releases', 'manifests', id), first.name])
}

async function isWhole(host, first, id, proc) {
  const { code, stdout, stderr } = await proc.ended
  assert.equal(code, 0, stdout + stderr)
  assert.equal(stdout.trim().split('\n').at(-1), `in ${release(host, id)}`)
  for (let i = 0; i < FILES; i++) assert.equal(sum(path.join(release(host, id), `${i}.bin`)), sum(path.join(first.dir, 'app', `${i}.bin`)))
}

// Until it has so many of the release's chunks.
const has = (proc, count) => proc.until(new RegExp(`^${count} of (\\d+)$`, 'm'))

async function open(t, names) {
  const cluster = await Cluster.open(t, names)
  const id = await takeIn(cluster.hosts[0])
  return { cluster, hosts: cluster.hosts, net: cluster.net, id }
}

test('a host that gives a release dies in the midst of it, and another one gives the rest', { skip }, async (t) => {
  const { hosts: [ada, bob, cyd], net, id } = await open(t, ['ada', 'bob', 'cyd'])
  await endAgent(bob)
  await isWhole(bob, ada, id, carry(bob, ada, id))
  bob.agentProcess = await bob.agent() // whoever got it gives it
  await endAgent(cyd)
  for (const host of [ada, bob]) await net.pace(host, '20mbit') // long enough to be in the midst of it
  const taker = carry(cyd, ada, id)
  await has(taker, 8)
  await ada.killAgent(ada.agentProcess)
  await isWhole(cyd, ada, id, taker)
})

test('what came stays when the host that gets it dies, or is cut off in the midst of it', { skip }, async (t) => {
  const { cluster, hosts: [ada, bob], net, id } = await open(t, ['ada', 'bob'])
  await endAgent(bob)
  await net.pace(ada, '40mbit')
  const first = carry(bob, ada, id)
  await has(first, 10)
  first.kill('SIGKILL')
  await first.ended
  const second = carry(bob, ada, id)
  const [, missing] = await has(second, 5)
  assert.ok(Number(missing) <= FILES - 10, missing)
  await net.cut(ada, bob)
  await cluster.until(ada, { bob: ['suspect', 'unreachable', 'down'] })
  await net.heal()
  await isWhole(bob, ada, id, second)
})
