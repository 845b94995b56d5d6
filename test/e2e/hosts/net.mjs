// Hosts on one machine: a network namespace each, on one switch, with faults by nftables. Needs root, as CI has.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { promisify } from 'node:util'
import { Sandbox } from '../agent/harness.mjs'

// Why tests are skipped, or false: they never pass without having run.
export const skip = process.getuid() !== 0 && 'network namespaces need root'

// Built with ASan: it keeps freed memory for a while, and wants to be the first library.
export const isSanitized = fs.readFileSync(process.env.WARREN).includes('__asan_init')

const run = promisify(execFile)
const inside = (ns, ...command) => run('ip', ['netns', 'exec', ns, ...command])

// A state directory, an agent and nodes, in a namespace of their own.
export class Host extends Sandbox {
  start(command, args, options) {
    return super.start('ip', ['netns', 'exec', this.ns, command, ...args], options)
  }
  // What is started from now on is another build (minors.c), one that speaks these minors of the protocol: '1-2'.
  becomes(minors) {
    this.program = `${process.env.WARREN_TEST}/minors/warren`
    Object.assign(this.env, { WARREN_NODE: `${process.env.WARREN_TEST}/minors/warren-node`, WARREN_TEST_MINORS: minors })
  }
  nft(...rules) {
    return inside(this.ns, 'nft', rules.join('; '))
  }
}

let nets = 0

export class Net {
  hosts = []
  #all = []
  #switch = `warren${process.pid}n${nets++}`

  // `names` of the hosts; they are 10.77.0.1, 10.77.0.2 ...
  static async open(t, names) {
    const net = new Net()
    t.after(() => net.#close())
    await run('ip', ['netns', 'add', net.#switch])
    await inside(net.#switch, 'ip', 'link', 'add', 'br0', 'type', 'bridge')
    await inside(net.#switch, 'ip', 'link', 'set', 'br0', 'up')
    net.hosts = await net.add(t, names)
    return net
  }

  async add(t, names) {
    const added = []
    for (const name of names) added.push(await this.#plug(t, name))
    return added
  }

  async #plug(t, name) {
    const number = this.#all.length + 1
    const host = await Host.open(t)
    this.#all.push(host)
    Object.assign(host, { name, address: `10.77.0.${number}`, ns: `${this.#switch}h${number}` })
    const port = `port${number}`
    await run('ip', ['netns', 'add', host.ns])
    await inside(host.ns, 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', this.#switch)
    await inside(this.#switch, 'ip', 'link', 'set', port, 'master', 'br0', 'up')
    await inside(host.ns, 'ip', 'address', 'add', `${host.address}/24`, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) await inside(host.ns, 'ip', 'link', 'set', device, 'up')
    await host.nft('add table ip faults', 'add chain ip faults in { type filter hook input priority 0 ; }')
    return host
  }

  // From now on `to` hears nothing from `from`, and nobody is told: packets are dropped.
  async cutOneWay(from, to) {
    await to.nft(`add rule ip faults in ip saddr ${from.address} drop`)
  }
  async cut(one, other) {
    await Promise.all([this.cutOneWay(one, other), this.cutOneWay(other, one)])
  }
  // The power cord: nothing of this host reaches anybody, nor anything it.
  async isolate(host) {
    await Promise.all(this.hosts.filter((other) => other !== host).map((other) => this.cut(host, other)))
  }
  // Two groups that hear each other no more.
  async split(these, those) {
    await Promise.all(these.flatMap((one) => those.map((other) => this.cut(one, other))))
  }
  // Every packet from another host is lost with this chance.
  async lose(percent) {
    const rule = `add rule ip faults in iifname eth0 numgen random mod 100 < ${percent} drop`
    await Promise.all(this.hosts.map((host) => host.nft(rule)))
  }
  // What this host sends goes at this pace, as `tc` writes it: '1mbit'.
  async pace(host, rate) {
    await inside(host.ns, 'tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'tbf', 'rate', rate, 'burst', '16kb', 'latency', '500ms')
  }
  async heal() {
    await Promise.all(this.hosts.map((host) => host.nft('flush chain ip faults in')))
  }

  async #close() {
    for (const ns of [...this.#all.map((host) => host.ns), this.#switch]) await run('ip', ['netns', 'delete', ns]).catch(() => {})
  }
}
