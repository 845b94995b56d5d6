// A real etcd of one member, on a port of its own.
import fs from 'node:fs'
import path from 'node:path'
import { freePort } from '../ports.mjs'

const PATH = `/usr/local/lib/warren/etcd/usr/bin:${process.env.PATH}`

export class Etcd {
  // `box`: whose directory it has, and which starts it, in its network namespace if it has one. `address`: where others reach it.
  static async start(box, address = '127.0.0.1') {
    const etcd = new Etcd()
    etcd.box = box
    etcd.address = address
    etcd.port = address === '127.0.0.1' ? await freePort() : 2379
    await etcd.again()
    return etcd
  }
  // The same data, after it was ended.
  async again() {
    const url = `http://${this.address}:${this.port}`
    const data = path.join(this.box.dir, 'etcd')
    fs.mkdirSync(data, { recursive: true, mode: 0o700 })
    this.proc = this.box.start('etcd', ['--data-dir', data, '--listen-client-urls', url, '--advertise-client-urls', url,
      '--listen-peer-urls', 'http://127.0.0.1:0', '--unsafe-no-fsync', '--logger', 'zap'], { env: { PATH } })
    await this.proc.until(/serving client traffic/)
  }
  get store() {
    return `etcd://${this.address}:${this.port}/test`
  }
  pause() {
    this.proc.kill('SIGSTOP')
  }
  resume() {
    this.proc.kill('SIGCONT')
  }
  async kill() {
    this.proc.kill('SIGKILL')
    await this.proc.ended
  }
}
