// The sandbox of e2e/agent with a project in it: a directory of files that `warren` is run in.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { Sandbox as Base } from '../agent/harness.mjs'

export class Sandbox extends Base {
  static async open(t) {
    const box = await super.open(t)
    box.project = fs.realpathSync(fs.mkdtempSync(path.join(box.dir, 'project-')))
    box.write('app.js', 'setInterval(() => {}, 1000)\n')
    return box
  }
  path(name) {
    return path.join(this.project, name)
  }
  write(name, content) {
    fs.mkdirSync(path.dirname(this.path(name)), { recursive: true })
    fs.writeFileSync(this.path(name), content)
    return this.path(name)
  }
  // As an ES module that exports this.
  config(value, name = 'warren.config.mjs') {
    return this.write(name, `export default ${JSON.stringify(value, null, 2)}\n`)
  }
  start(command, args, options) {
    return super.start(command, args, { cwd: this.project, ...options })
  }
  async ok(args, options) {
    const end = await this.done(args, options)
    assert.equal(end.code, 0, end.stderr + end.stdout)
    return end
  }
  // The problems of a configuration, one "file:line:column: sentence" each.
  async problems(...args) {
    const end = await this.done(['config', 'check', ...args])
    assert.equal(end.code, 2, end.stdout + end.stderr)
    return end.stdout.trimEnd().split('\n')
  }
  async shown(...args) {
    return JSON.parse((await this.ok(['config', 'show', '--json', ...args])).stdout)
  }
  async service(...args) {
    return (await this.shown(...args)).services[0]
  }
}
