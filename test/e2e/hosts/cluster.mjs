// A cluster of several hosts, made with the commands that a user would type.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Member } from '../messages/cluster.mjs'
import { Net } from './net.mjs'
import { putInFront } from './proxy.mjs'

const PORT = 7400
const GONE = ['down', 'unreachable', 'left']
const statesOf = (line) => Object.fromEntries(JSON.parse(line).hosts.map(({ name, state }) => [name, state]))
const peer = fileURLToPath(new URL('../messages/peer.mjs', import.meta.url))

export class Cluster {
  #children = []

  // The first host forms the cluster; each of the others joins with a token of its own. `proxied`: each has a bad network
  // in front of it, host.proxy.
  // `prepare(net)`: before the first agent.
  static async open(t, names, { proxied = false, prepare } = {}) {
    const cluster = new Cluster()
    t.after(() => cluster.#close())
    cluster.net = await Net.open(t, names)
    cluster.hosts = cluster.net.hosts
    await prepare?.(cluster.net)
    if (proxied) for (const host of cluster.hosts) host.proxy = await putInFront(t, host)
    const [first, ...others] = cluster.hosts
    await cluster.done(first, 'init', '--name', first.name, '--advertise', `${first.address}:${PORT}`)
    first.agentProcess = await first.agent()
    for (const host of others) await cluster.join(host)
    await Promise.all(cluster.hosts.map((host) => cluster.sees(host, cluster.hosts)))
    return cluster
  }

  async token() {
    return JSON.parse(await this.done(this.hosts[0], 'token', 'create', '--json')).token
  }

  async join(host) {
    await this.done(host, 'join', await this.token(), '--name', host.name, '--advertise', `${host.address}:${PORT}`)
    host.agentProcess = await host.agent()
  }

  async done(host, ...args) {
    const { code, stdout, stderr } = await host.done(args)
    assert.equal(code, 0, `warren ${args.join(' ')} on ${host.name}: ${stderr}`)
    return stdout
  }

  // What this host says of all hosts: { ada: 'up', ... }
  async states(host) {
    return statesOf(await this.done(host, 'hosts', '--json'))
  }

  // Until `host` says what is expected of the others: { ada: 'up', bob: 'down' }. `warren hosts --watch` tells of changes.
  async until(host, expected) {
    const watch = host.warren(['hosts', '--watch', '--json'])
    try {
      for (let from = 0; ; ) {
        const { 0: line, index } = await watch.until(/^.*\n/, from)
        from += index + line.length
        const states = statesOf(line)
        if (Object.entries(expected).every(([name, state]) => [].concat(state).includes(states[name]))) return states
      }
    } finally {
      watch.kill('SIGTERM')
    }
  }
  sees(host, others) {
    return this.until(host, Object.fromEntries(others.map(({ name }) => [name, 'up'])))
  }

  // All that this host says of the others from now on.
  async history(host) {
    const watch = host.warren(['hosts', '--watch', '--json'])
    await watch.until(/\n/)
    return new History(watch)
  }

  // A member of the mesh on this host that runs what a test gives it.
  async member(host, name) {
    const child = spawn('ip', ['netns', 'exec', host.ns, host.env.WARREN_NODE, peer, name], {
      env: host.env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced',
    })
    this.#children.push(child)
    await once(child, 'message')
    return new Member(child)
  }

  async #close() {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

// What `warren hosts --watch` of one host has told so far.
export class History {
  #watch
  constructor(watch) {
    this.#watch = watch
  }
  get states() {
    return this.#watch.text('stdout').split('\n').slice(0, -1).map(statesOf)
  }
  // Which states this host was ever said to be in.
  of(name) {
    return [...new Set(this.states.map((states) => states[name]))]
  }
  // Nobody took it for gone. A suspicion takes nothing from anybody; on a busy machine one may come.
  mustHaveStayed(name) {
    const said = this.of(name)
    assert.ok(said.includes('up') && !said.some((state) => GONE.includes(state)), `${name} was ${said}`)
  }
  end() {
    this.#watch.kill('SIGTERM')
  }
}
