// Calls from every host to every host while a test breaks things, and what must be true of them however badly it goes:
// each ends in one outcome, none runs twice, what answered did run, and what was `not delivered` did not.
import assert from 'node:assert/strict'

export const LONG_MS = 60_000 // for calls that must all be answered, also on a machine that stands still for seconds

const serve = async (mesh, keep) => {
  keep.runs = new Map()
  keep.service = await mesh.serve('count', { run: (id) => (keep.runs.set(id, (keep.runs.get(id) ?? 0) + 1), id) })
}

const start = async (mesh, keep, { count, timeout }) => {
  await mesh.available('count', { count, timeout: 30_000 })
  const client = mesh.client('count')
  const call = async (id) => {
    try {
      return (await client.run(id, { timeout })) === id ? 'answered' : 'another answer'
    } catch (error) {
      const outcome = { no: 'not delivered', maybe: 'maybe delivered' }[error.delivered]
      return outcome ? `${outcome} (${error.code})` : String(error.stack)
    }
  }
  keep.outcomes = new Map()
  const loop = async (lane) => {
    for (let n = 0; !keep.isOver; n++) {
      const id = `${mesh.self.name} ${lane} ${n}`
      keep.outcomes.set(id, await call(id))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  keep.loops = Promise.all([0, 1, 2, 3].map(loop)) // one that waits for a time-out does not stop the others
}

const end = async (mesh, keep) => {
  keep.isOver = true
  await keep.loops
  return keep.outcomes
}

const reachAll = async (mesh) => {
  for (const to of mesh.instances('count')) await mesh.client('count').run(`${mesh.self.name} to ${to.name}`, { to, timeout: 30_000 })
}

// Once this member hears that nobody of that name serves any more.
const withdrawn = async (mesh, keep, name) => {
  while (mesh.instances('count').some((instance) => instance.name === name)) await new Promise((resolve) => setTimeout(resolve, 5))
}

export class Load {
  #past = { outcomes: [], runs: [] } // of members that were replaced
  #lives = 0

  // A member on each host that serves, and calls all others. `timeout`: of each call.
  static async open(cluster, timeout = 2000) {
    const load = new Load()
    load.timeout = timeout
    load.members = await Promise.all(cluster.hosts.map((host) => cluster.member(host, `load-on-${host.name}`)))
    await Promise.all(load.members.map((member) => member.run(serve)))
    await Promise.all(load.members.map((member) => member.run(start, { count: load.members.length, timeout })))
    return load
  }

  // Resolves when there is a link between every two: what happens then finds no handshake under way.
  async linked() {
    await Promise.all(this.members.map((member) => member.run(reachAll)))
  }

  // The member of this host leaves in good order; after `between` another one comes in its place.
  async replace(cluster, host, between) {
    const at = cluster.hosts.indexOf(host), member = this.members[at]
    this.#past.outcomes.push(...(await member.run(end)))
    await member.run((mesh, keep) => keep.service.close())
    const name = await member.run((mesh) => mesh.self.name)
    for (const other of this.members)
      if (other !== member) await other.run(withdrawn, name)
    await member.run((mesh) => mesh.close())
    this.#past.runs.push(...(await member.run((mesh, keep) => keep.runs)))
    await member.kill()
    await between()
    this.members[at] = await cluster.member(host, `load-on-${host.name}-${++this.#lives}`)
    await this.members[at].run(serve)
    await this.members[at].run(start, { count: this.members.length, timeout: this.timeout })
    await this.linked() // or the next one that leaves ends a handshake, after which a call was under way already
  }

  // { answered: 123, 'maybe delivered (ERR_WARREN_TIMEOUT)': 1 }. Members that are dead are asked nothing.
  async end(members = this.members) {
    const ended = await Promise.all(members.map((member) => member.run(end)))
    const outcomes = new Map([...this.#past.outcomes, ...ended.flatMap((each) => [...each])])
    const ran = await Promise.all(members.map((member) => member.run((mesh, keep) => keep.runs)))
    const runs = new Map()
    for (const [id, times] of [...this.#past.runs, ...ran.flatMap((each) => [...each])]) runs.set(id, (runs.get(id) ?? 0) + times)
    const counts = {}
    for (const [id, outcome] of outcomes) {
      counts[outcome] = (counts[outcome] ?? 0) + 1
      const times = runs.get(id) ?? 0
      assert.ok(times <= 1, `call ${id} ran ${times} times`)
      if (outcome === 'answered' && members === this.members) assert.equal(times, 1, `call ${id} answered and never ran`)
      if (outcome.startsWith('not delivered')) assert.equal(times, 0, `call ${id} ran though it was not delivered`)
      assert.match(outcome, /^(answered|not delivered \(.*\)|maybe delivered \(.*\))$/)
    }
    assert.ok(counts.answered > 0)
    return counts
  }
}
