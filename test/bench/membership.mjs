// Membership of Warren's agents beside serf's (Debian's package; LAN profile), in turn, on the same network namespaces:
// how soon all know a host that joins, how soon all know that one died without a word, what an idle agent costs.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { Cluster } from '../e2e/hosts/cluster.mjs'
import { Net } from '../e2e/hosts/net.mjs'

const exec = promisify(execFile)
const unpacked = '/usr/local/lib/warren/serf/usr/bin/serf'
const SERF = existsSync(unpacked) ? unpacked : 'serf'
const SMALL = 5 // hosts, where one joins or dies
const SETTLE_MS = 5000, IDLE_MS = 20_000
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const namesOf = (count) => Array.from({ length: count }, (_, i) => `h${i}`)

// Both have: open(t, names), join(name) -> ms until all know it, die(host) -> ms until all others call it down, pids.
class Warren {
  static async open(t, names) {
    const warren = new Warren()
    warren.cluster = await Cluster.open(t, names)
    return warren
  }
  get hosts() {
    return this.cluster.hosts
  }
  get pids() {
    return this.hosts.map((host) => host.agentProcess.pid)
  }
  async join(t, name) {
    const [host] = await this.cluster.net.add(t, [name])
    await this.cluster.done(host, 'join', await this.cluster.token(), '--name', name, '--advertise', `${host.address}:7400`)
    const begin = performance.now()
    host.agentProcess = await host.agent()
    await Promise.all(this.hosts.map((other) => this.cluster.until(other, { [name]: 'up' })))
    const ms = performance.now() - begin
    this.hosts.push(host)
    return ms
  }
  async die(victim) {
    const others = this.hosts.filter((host) => host !== victim)
    const begin = performance.now()
    await this.cluster.net.isolate(victim)
    await Promise.all(others.map((host) => this.cluster.until(host, { [victim.name]: 'down' })))
    return performance.now() - begin
  }
}

class Serf {
  agents = new Map()
  static async open(t, names) {
    const serf = new Serf()
    t.after(() => { for (const agent of serf.agents.values()) agent.kill('SIGKILL') })
    serf.net = await Net.open(t, names)
    serf.hosts = serf.net.hosts
    for (const host of serf.hosts) serf.#start(host)
    await Promise.all(serf.hosts.flatMap((host) => names.map((name) => serf.#hears(host, 'Join', name))))
    return serf
  }
  #start(host) {
    const join = host === this.hosts[0] ? [] : [`-retry-join=${this.hosts[0].address}`, '-retry-interval=1s']
    this.agents.set(host, host.start(SERF, ['agent', `-node=${host.name}`, `-bind=${host.address}`, ...join]))
  }
  #hears(host, event, name) {
    return this.agents.get(host).until(new RegExp(`EventMember${event}: ${name}\\b`))
  }
  get pids() {
    return this.hosts.map((host) => this.agents.get(host).pid)
  }
  async join(t, name) {
    const [host] = await this.net.add(t, [name])
    const others = [...this.hosts]
    const begin = performance.now()
    this.#start(host)
    await Promise.all(others.map((other) => this.#hears(other, 'Join', name)))
    const ms = performance.now() - begin
    this.hosts.push(host)
    return ms
  }
  async die(victim) {
    const others = this.hosts.filter((host) => host !== victim)
    const begin = performance.now()
    await this.net.isolate(victim)
    await Promise.all(others.map((host) => this.#hears(host, 'Failed', victim.name)))
    return performance.now() - begin
  }
}

// All threads, and finer than the ticks of /proc/PID/stat.
const cpuOf = (pid) =>
  readdirSync(`/proc/${pid}/task`).reduce((ms, tid) => ms + Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0)

async function sentBy(hosts) {
  const counts = await Promise.all(hosts.map((host) => exec('ip', ['netns', 'exec', host.ns, 'cat', '/sys/class/net/eth0/statistics/tx_bytes'])))
  return counts.reduce((sum, { stdout }) => sum + Number(stdout), 0)
}

// Percent of a core and kB/s of one agent at rest.
async function idle({ hosts, pids }) {
  await pause(SETTLE_MS)
  const cpu = () => pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
  const begin = { at: performance.now(), cpu: cpu(), bytes: await sentBy(hosts) }
  await pause(IDLE_MS)
  const ms = performance.now() - begin.at
  return { cpu: (100 * (cpu() - begin.cpu)) / ms / hosts.length, kB: ((await sentBy(hosts)) - begin.bytes) / ms / hosts.length }
}

// A test's hooks, to end one cluster before the next begins.
async function within(work) {
  const hooks = []
  try {
    return await work({ after: (hook) => hooks.push(hook) })
  } finally {
    for (const hook of hooks) await hook()
  }
}

export async function besideSerf(t, say, count, rounds) {
  const kinds = { Warren, serf: Serf }
  const results = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { joined: [], died: [] }]))
  for (let round = 0; round < rounds; round++) {
    for (const [kind, System] of Object.entries(kinds)) {
      await within(async (t) => {
        const system = await System.open(t, namesOf(SMALL - 1))
        results[kind].joined.push(await system.join(t, 'late'))
        await pause(SETTLE_MS)
        results[kind].died.push(await system.die(system.hosts.at(-1)))
      })
    }
  }
  for (const kind of Object.keys(kinds)) {
    say(`${kind}: one more host, until all ${SMALL} know it`, median(results[kind].joined), 'ms')
    say(`${kind}: the death of one of ${SMALL} without a word, until all know it (goal 15)`, median(results[kind].died) / 1000, 's')
  }
  for (const [kind, System] of Object.entries(kinds)) {
    await within(async (t) => {
      const begin = performance.now()
      const system = await System.open(t, namesOf(count))
      say(`${kind}: ${count} hosts until all know each other${kind === 'Warren' ? ' (one by one, with a token each)' : ''}`, (performance.now() - begin) / 1000, 's')
      const { cpu, kB } = await idle(system)
      say(`${kind}: idle agent among ${count} (goal 0.2)`, cpu, '% of a core')
      say(`${kind}: idle agent among ${count}, sent (goal 2)`, kB, 'kB/s')
      say(`${kind}: the death of one of ${count} without a word, until all know it (goal 15)`, (await system.die(system.hosts.at(-1))) / 1000, 's')
    })
  }
}
