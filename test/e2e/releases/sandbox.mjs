// The sandbox of e2e/config: its project is what releases are made of.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Sandbox as Base } from '../config/sandbox.mjs'

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
