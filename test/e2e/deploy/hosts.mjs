// Three hosts with one store that they share, in network namespaces (e2e/hosts).
import path from 'node:path'
import { Cluster } from '../hosts/cluster.mjs'
import { Sandbox } from './sandbox.mjs'

export const PORT = 8080

const ETCD = `/usr/local/lib/warren/etcd/usr/bin:${process.env.PATH}`

// The store is on a host of its own, and can stand still.
class Etcd {
  constructor(host) {
    this.host = host
    this.place = `etcd://${host.address}:2379`
  }
  async start() {
    const url = `http://${this.host.address}:2379`, peer = `http://${this.host.address}:2380`
    this.proc = this.host.start('etcd', ['--data-dir', path.join(this.host.dir, 'etcd'), '--listen-client-urls', url,
      '--advertise-client-urls', url, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster',
      `default=${peer}`, '--unsafe-no-fsync'], { env: { PATH: ETCD } })
    await this.proc.until(/ready to serve client requests/)
  }
  async stop() {
    this.proc.end('SIGKILL')
    await this.proc.ended
  }
}

// A project in the directory of one host; what it runs is on all.
class Box extends Sandbox {
  static async open(t, host) {
    const box = await super.open(t)
    Object.assign(box, { host, port: PORT })
    Object.assign(box.env, { WARREN_DIR: host.state })
    box.service()
    return box
  }
  start(command, args, options) {
    return super.start('ip', ['netns', 'exec', this.host.ns, command, ...args], options)
  }
  // The same from another host.
  at(host) {
    this.host = host
    this.env.WARREN_DIR = host.state
  }
}

export class Deployment {
  // The store is etcd, or with `keeper` the file of that host.
  static async open(t, names, { labels = {}, keeper } = {}) {
    const it = new Deployment()
    const prepare = async (net) => {
      const [host] = await net.add(t, ['client'])
      it.client = host
      it.etcd = new Etcd(host)
      if (!keeper) await it.etcd.start()
      for (const one of net.hosts)
        one.agentArgs = ['--store', keeper ? `host:${keeper}` : it.etcd.place, ...(labels[one.name] ? ['--label', labels[one.name]] : [])]
    }
    it.cluster = await Cluster.open(t, names, { prepare })
    it.net = it.cluster.net
    it.hosts = it.cluster.hosts
    it.box = await Box.open(t, it.hosts[0])
    await it.box.until((_, all) => all.hosts.filter(({ state }) => state === 'up').length === names.length, null)
    return it
  }
  // What each host serves, from itself.
  async words() {
    const words = {}
    for (const { name, address } of this.hosts) words[name] = (await this.get(address).catch((err) => err.code)).split(' ')[0]
    return words
  }
  // From the network, as a client would.
  get(address) {
    return this.ask(['-s', '-m', '60', `http://${address}:${PORT}/`])
  }
  async ask(args) {
    const proc = this.box.start('curl', args)
    const { code, stdout } = await proc.ended
    if (code !== 0) throw Object.assign(new Error(`curl ended with ${code}`), { code: `curl ${code}` })
    return stdout
  }
  host(name) {
    return this.hosts.find((host) => host.name === name)
  }
  async leader() {
    return (await this.box.status()).leader
  }
  // Clients of all hosts, until stop(): it tells how many requests failed, of how many.
  load(seconds = 600) {
    const procs = this.hosts.map(({ address }) => this.client.start('wrk', ['-t1', '-c4', `-d${seconds}s`, '--timeout=60s', `http://${address}:${PORT}/`]))
    return { stop: async () => {
      let count = 0, failed = 0
      for (const proc of procs) {
        proc.end('SIGINT')
        const { stdout } = await proc.ended
        count += Number(stdout.match(/(\d+) requests in/)[1])
        const errors = stdout.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)
        if (errors) failed += errors.slice(1).reduce((sum, number) => sum + Number(number), 0)
        failed += Number(stdout.match(/Non-2xx or 3xx responses: (\d+)/)?.[1] ?? 0)
      }
      return { count, failed }
    } }
  }
}
