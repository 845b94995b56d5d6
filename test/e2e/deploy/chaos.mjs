// Deployments whose agents, hosts, store or command line are killed at any moment, with real processes. All that is decided by
// chance comes from a seed: what is deployed, who is killed, after how many events, and when it is started again.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Deployment, PORT } from './hosts.mjs'

const NAMES = ['ada', 'bob', 'cy']
const KEEPER = 'bob'
const TIMEOUT = '120s'
const LOOK_MS = 50
const PATIENCE_MS = 120_000 // longer than any life of a lease, a link or a try that has to end first
const asker = fileURLToPath(new URL('asker.mjs', import.meta.url))

// mulberry32: small, and the same everywhere.
function chance(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { below: (n) => Math.floor(next() * n), one: (list) => list[Math.floor(next() * list.length)] }
}

// What a seed decides.
export function storyOf(seed) {
  const { below, one } = chance(seed)
  const perHost = 1 + below(3)
  return {
    seed, perHost, parallel: 1 + below(2),
    word: one(['good', 'good', 'good', 'good', 'broken', 'slow']),
    from: one(NAMES), // where the command line is
    victim: one(['leader', 'other', 'command', 'store', 'host']),
    which: below(NAMES.length),
    after: below(8 + 6 * perHost), // events
    delay: below(30), // ms after that event: what is told is past already
    back: one(['at once', 'events', 'down']),
    backAfter: 1 + below(8),
  }
}

// Whole lines of JSON that processes write, counted.
class Events {
  lines = []
  #waiting = new Set()

  add(proc, name) {
    let rest = ''
    proc.streams.stdout.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) this.lines.push({ name, ...JSON.parse(line) })
      for (const look of this.#waiting) look()
    })
    void proc.ended.then(() => { for (const look of this.#waiting) look() })
  }
  // The first answer that `find` gives, of all that was told so far.
  until(find, what) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle(value)
      }
      const look = () => {
        const found = find(this.lines)
        if (found) end(resolve, found)
      }
      const timer = setTimeout(() => end(reject, new Error(`${what}: time ran out; last told: ${JSON.stringify(this.lines.at(-1))}`)), PATIENCE_MS)
      this.#waiting.add(look)
      look()
    })
  }
}

const isOver = (phase) => ['done', 'returned', 'broken'].includes(phase)
const isWhole = ({ services }) => services.every(({ wanted, ready, instances }) => ready === wanted && instances.length === wanted &&
  instances.every(({ state, lost, standIn }) => state === 'ready' && !lost && !standIn))

async function eventually(look, what) {
  for (const until = Date.now() + PATIENCE_MS; ; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
    const wrong = await look()
    if (!wrong) return
    if (Date.now() > until) assert.fail(`${what}: ${wrong}`)
  }
}

export class Chaos {
  #words = {} // of each release
  #count = 0

  static async open(t, store) {
    const chaos = new Chaos()
    chaos.it = await Deployment.open(t, NAMES, store === 'host' ? { keeper: KEEPER } : {})
    chaos.store = store
    await chaos.#good({ perHost: 1, parallel: 1, from: 'ada' })
    return chaos
  }

  #service({ perHost, parallel }, deadline = '60s') {
    this.it.box.service({ instances: { perHost }, update: { parallel, settle: '100ms', deadline, drain: '5s' } })
  }
  #word(word) {
    const unique = word === 'good' ? `good${++this.#count}` : word
    this.it.box.word(unique)
    return unique
  }
  // One that must be done; another that is under way still is waited for.
  async #good(story) {
    const word = this.#word('good')
    this.#service(story)
    this.it.box.at(this.it.host(story.from))
    for (;;) {
      const end = await this.it.box.done(['deploy', '--json', '--timeout', TIMEOUT])
      if (end.code === 1 && /is being changed already/.test(end.stderr)) {
        await this.it.box.until(({ phase }) => isOver(phase))
        continue
      }
      assert.equal(end.code, 0, `the deployment after it: ${end.stdout}${end.stderr}`)
      const lines = end.stdout.trim().split('\n').map((line) => JSON.parse(line))
      this.#words[lines.at(-1).release] = word
      return
    }
  }

  // Kills what the story says; what it gives brings it back.
  async #kill({ victim, which, from }, command, leader) {
    const { it } = this
    if (victim === 'command') return command.end('SIGKILL')
    if (victim === 'store' && this.store === 'etcd') {
      await it.etcd.stop()
      return { name: 'etcd', start: () => it.etcd.start() }
    }
    const host = this.#victim({ victim, which }, leader)
    if (victim === 'host') await this.#killAll(host)
    else await host.killAgent(host.agentProcess)
    return { name: host.name, start: async () => { host.agentProcess = await host.agent() } }
  }
  #victim({ victim, which }, leader) {
    if (victim === 'leader') return this.it.host(leader)
    if (victim === 'store') return this.it.host(KEEPER)
    if (victim === 'host') return this.it.hosts[which]
    const others = this.it.hosts.filter(({ name }) => name !== leader)
    return others[which % others.length]
  }
  async #killAll(host) {
    const exit = once(host.agentProcess.streams, 'exit')
    for (let pids; (pids = pidsOf(host)).length > 0; await new Promise(setImmediate))
      for (const pid of pids) try { process.kill(pid, 'SIGKILL') } catch { /* it was gone */ }
    await exit
  }

  async run(story) {
    const { it } = this, { box } = it
    const leader = await it.leader()
    const target = ['leader', 'other', 'host'].includes(story.victim) ? this.#victim(story, leader).name
      : story.victim === 'store' && this.store === 'host' ? KEEPER : null
    const watcher = it.hosts.find(({ name }) => name !== target)
    const events = new Events()
    const watch = watcher.warren(['status', '-f', '--json'])
    events.add(watch, 'status')
    await events.until((lines) => lines.length > 0, 'the first status')
    const load = it.client.start(process.execPath, [asker, String(PORT), ...it.hosts.map(({ address }) => address)])
    await load.until(/begins/)

    const word = this.#word(story.word)
    this.#service(story, story.word === 'slow' ? '8s' : '60s')
    box.at(it.host(story.from))
    const command = box.warren(['deploy', '--json', '--timeout', TIMEOUT])
    events.add(command, 'deploy')
    const from = events.lines.length
    await events.until((lines) => lines.length >= from + story.after || command.isOver, 'the moment')
    await new Promise((resolve) => setTimeout(resolve, story.delay))
    const killed = await this.#kill(story, command, leader)
    const killedAt = events.lines.length
    if (killed) {
      await this.#moment(story, events, killedAt, killed.name)
      await killed.start()
    }
    const end = await command.ended
    const accepted = events.lines.find(({ type }) => type === 'accepted')
    const isSettled = (all) => all.hosts?.length === NAMES.length && all.hosts.every(({ state }) => state === 'up') && all.projects.some((project) =>
      isOver(project.phase) && (!accepted || project.deployment === accepted.deployment) && isWhole(project))
    await events.until((lines) => isSettled(lines.findLast(({ name }) => name === 'status')), 'the end')
    const project = events.lines.findLast(({ name }) => name === 'status').projects[0]
    // What nobody was told to be accepted may be so a moment later: then the next deployment waits for it.
    if (accepted) {
      this.#judge(story, { project, accepted, end, word })
      await this.#look(project)
    }
    watch.end()
    await this.#good(story)
    await this.#look(await box.shop())
    load.end()
    this.#heard(story, target, await load.ended)
    return { phase: project.phase, accepted: Boolean(accepted), code: end.code, said: end.stderr.trim() }
  }

  // When what was killed is started again.
  async #moment({ back, backAfter }, events, killedAt, name) {
    const isGone = ({ hosts, storeTrouble }) => name === 'etcd' ? storeTrouble : storeTrouble || !hosts?.some((host) => host.name === name && host.state === 'up')
    if (back === 'down') await events.until((lines) => lines.slice(killedAt).some((line) => line.name === 'status' && isGone(line)), `${name} is down`)
    if (back === 'events') await events.until((lines) => lines.length >= killedAt + backAfter ||
      lines.slice(killedAt).some((line) => line.name === 'status' && isGone(line)), `events after ${name}`)
  }

  // How it may have ended.
  #judge(story, { project, accepted, end, word }) {
    this.#words[accepted.release] = word
    assert.notEqual(project.phase, 'broken', project.why)
    assert.equal(project.phase, story.word === 'good' ? 'done' : 'returned', project.why)
    if (end.code === 0) assert.equal(project.phase, 'done')
    assert.ok(!['broken', 'slow'].includes(this.#words[project.running]), `release ${project.running} runs`)
  }

  // Everywhere runs what is wanted, and nothing else.
  async #look(project) {
    for (const host of this.it.hosts) {
      const instances = project.services.flatMap((service) => service.instances).filter((instance) => instance.host === host.name)
      for (const { release } of instances) assert.equal(release, project.running, `on ${host.name}`)
      await eventually(async () => {
        const told = (await this.it.box.shop()).services.flatMap((service) => service.instances).filter((one) => one.host === host.name)
        const wanted = told.map(({ pid }) => pid).sort().join()
        const known = (await host.nodes()).filter(({ pid }) => pid > 0).map(({ pid }) => pid).sort().join()
        const real = programsOf(host).sort().join()
        return (known !== wanted || real !== wanted) && `the store tells of ${wanted}, its agent of ${known}, and there are ${real}`
      }, `processes on ${host.name}`)
      const text = await this.it.get(host.address)
      assert.equal(text.split(' ')[0], this.#words[project.running], `what ${host.name} serves`)
    }
  }

  #heard({ victim }, target, { stdout }) {
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line))
    const lost = victim === 'host' ? this.it.host(target).address : null
    const failed = lines.filter(({ why, address }) => why && address !== lost)
    assert.deepEqual(failed, [], 'requests that failed')
    for (const [address, count] of Object.entries(lines.at(-1).answered)) assert.ok(count > 0, `${address} answered`)
  }
}

const pidsOf = ({ ns }) => execFileSync('ip', ['netns', 'pids', ns]).toString().split('\n').filter(Boolean).map(Number)

// Instances that there are, by their titles.
function programsOf(host) {
  return pidsOf(host).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('api.')
    } catch {
      return false // it has ended
    }
  })
}
