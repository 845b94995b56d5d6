// The sandbox of e2e/config: its project is what releases are made of.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { WARREN } from '../agent/harness.mjs'
import { Sandbox as Base } from '../config/sandbox.mjs'

const OWN_MOUNTS = ['--mount', '--propagation', 'private', 'sh', '-c']

export class Sandbox extends Base {
  // Packed and brought to the agent: what --json says.
  async bundle(args = [], options) {
    return JSON.parse((await this.ok(['bundle', '--json', ...args], options)).stdout)
  }
  // The sentence it fails with.
  async refused(args = [], code = 1) {
    const end = await this.done(['bundle', ...args])
    assert.equal(end.code, code, end.stdout + end.stderr)
    return end.stderr
  }
  // Paths of files and links that would be in it.
  async list(args = [], options) {
    const { stdout } = await this.ok(['bundle', '--list', '--json', ...args], options)
    return stdout.trim().split('\n').map((line) => JSON.parse(line)).filter(({ kind }) => kind !== 'directory').map(({ path }) => path).sort()
  }
  async bundles() {
    return JSON.parse((await this.ok(['bundles', '--json'])).stdout).bundles
  }
  // Files that no compression makes smaller.
  writeNoise(name, len) {
    return this.write(name, crypto.randomBytes(len))
  }
  get store() {
    return path.join(this.state, 'releases')
  }
}

// What is in a directory: path -> its content, its target, or null of a directory.
export function tree(dir, below = '') {
  const out = {}
  for (const entry of fs.readdirSync(path.join(dir, below), { withFileTypes: true })) {
    const name = path.join(below, entry.name)
    if (entry.isSymbolicLink()) out[name] = `-> ${fs.readlinkSync(path.join(dir, name))}`
    else if (entry.isFile()) out[name] = crypto.createHash('sha256').update(fs.readFileSync(path.join(dir, name))).digest('hex')
    else Object.assign(out, { [name]: null }, tree(dir, name))
  }
  return out
}

// Resolves when names have been made in a directory, or have gone, `count` times.
export function names(dir, count) {
  return new Promise((resolve) => {
    const watcher = fs.watch(dir, { persistent: false }, (type) => {
      if (type !== 'rename' || --count > 0) return
      watcher.close()
      resolve()
    })
  })
}

// An agent whose releases are on a disk of that size, which it alone sees; undefined, and the test is skipped: none can be mounted here.
export async function smallDisk(t, box, size) {
  const can = spawnSync('unshare', [...OWN_MOUNTS, 'mount -t tmpfs none /mnt'])
  if (can.status !== 0) return t.skip(`no file system can be mounted here: ${can.error?.message ?? can.stderr}`.trim())
  const store = path.join(box.state, 'releases')
  fs.mkdirSync(store, { recursive: true, mode: 0o700 })
  fs.chmodSync(box.state, 0o700)
  const agent = box.start('unshare', [...OWN_MOUNTS, 'mount -t tmpfs -o size="$3",mode=700 none "$1" && exec "$2" agent', 'sh', store, WARREN, size])
  await agent.until(/listens on/)
  box.onDisk = (file) => path.join(`/proc/${agent.pid}/root`, file)
  box.seen = box.onDisk(store)
  box.growDisk = (to) => {
    const more = spawnSync('nsenter', ['-t', `${agent.pid}`, '-m', 'mount', '-o', `remount,size=${to}`, store])
    assert.equal(more.status, 0, `${more.stderr}`)
  }
  return box
}
