// Hosts with an agent each, on one store, whose nodes want the same lease.
import assert from 'node:assert/strict'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Sandbox } from '../agent/harness.mjs'

const programs = fileURLToPath(new URL('programs', import.meta.url))

export class Host extends Sandbox {
  // `store`: undefined, then it is a file of this host alone.
  async boot(store) {
    this.agentProcess = this.warren(store === undefined ? ['agent'] : ['agent', '--store', store])
    await this.agentProcess.until(/listens on/)
  }
  async killBoot() {
    await this.killAgent(this.agentProcess)
  }
  async ok(args, options) {
    const ended = await this.done(args, options)
    assert.equal(ended.code, 0, `warren ${args.join(' ')}: ${ended.stderr}`)
    return ended
  }
  // A holder in the background, which outlives the agent. Resolves to its pid when it is up.
  async holder(resource, who, env = {}) {
    const from = resource.said.length
    await this.ok(['run', '-d', path.join(programs, 'holder.mjs'), '--name', who, '--restart', 'never'],
      { env: { RESOURCE: resource.path, WHO: who, ...env } })
    return (await resource.says('up', who, from)).pid
  }
  // A module that is run to its end; what it prints is the answer.
  async script(text, options) {
    const proc = this.start(this.env.WARREN_NODE, ['--input-type=module', '--eval', text], options)
    proc.stdin?.end()
    const { code, stdout, stderr } = await proc.ended
    assert.equal(code, 0, stderr)
    return stdout
  }
}
