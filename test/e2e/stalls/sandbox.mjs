// The sandbox of e2e/supervision, with programs of this folder.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Sandbox as Base } from '../supervision/sandbox.mjs'

const programs = fileURLToPath(new URL('programs', import.meta.url))

export class Sandbox extends Base {
  static async open(t) {
    const box = await super.open(t)
    box.env.LET_GO = path.join(box.dir, 'let-go')
    return box
  }
  start(command, args, options) {
    return super.start(command, args, { cwd: programs, ...options })
  }
  // programs/stall.mjs, when all its instances serve.
  async stall(args, instances = 1) {
    const proc = this.run(['stall.mjs', '--name', 'w', '-i', String(instances), ...args])
    for (let i = 0; i < instances; i++) await proc.until(new RegExp(`"node":"w\\.${i}".*"data":"serves`))
    return proc
  }
  // Has an instance block its loop; the time then.
  async block(instance, way, ms) {
    await this.ok(['call', `control-${instance}`, 'block', JSON.stringify({ way, ms })])
    return performance.now()
  }
  // Ends what is blocked in the way 'held'.
  letGo() {
    fs.writeFileSync(this.env.LET_GO, '')
  }
}

export const figure = (text) => console.log(`# figure ${text}`)
