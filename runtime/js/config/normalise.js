// From a configuration that agrees with the schema to what the agent is asked for: every default is there, sizes are bytes,
// times milliseconds, paths absolute, files of variables read.
'use strict'

const fs = require('fs')
const os = require('os')
const path = require('path')
const { bytesOf, msOf } = require('./units.js')
const { readEnv } = require('./env_file.js')
const { nearest } = require('../nearest.js')

const HOUR_MS = 3600e3
const DAY_S = 86400
const DAY_MS = DAY_S * 1000
const MEMORY_MIN = 32 * 2 ** 20
const LOG_LEN = { min: 64 << 10, max: 2 ** 30 }
const ENV_LEN_MAX = 64 << 10
const ENTRY_ENDS = ['', '.js', '.mjs', '.cjs']

class Service {
  #problems
  #path
  #config
  #dir

  constructor(problems, servicePath, config, dir) {
    this.#problems = problems
    this.#path = servicePath
    this.#config = config
    this.#dir = dir
  }

  complain(keys, text, options) {
    const at = [...this.#path, ...keys]
    this.#problems.add(at, `${at.join('.')}${text.startsWith(':') ? '' : ' '}${text}`, options)
  }

  ms(keys, value, fallback, { min = 0, max = HOUR_MS } = {}) {
    if (value === undefined) return fallback
    const ms = msOf(value)
    if (ms < min || ms > max) this.complain(keys, `must be from ${min} ms to ${max} ms, not ${ms} ms`)
    return ms
  }

  bytes(keys, value, fallback, { min, max }) {
    if (value === undefined) return fallback
    const bytes = bytesOf(value)
    if (bytes < min || bytes > max) this.complain(keys, `must be from ${min} to ${max} bytes, not ${bytes}`)
    return bytes
  }

  entry() {
    const whole = path.resolve(this.#dir, this.#config.entry)
    const found = ENTRY_ENDS.map((end) => whole + end).find((file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile())
    if (found !== undefined) return found
    let names = []
    try {
      names = fs.readdirSync(path.dirname(whole))
    } catch {
      // the sentence says that there is no such file
    }
    const guess = nearest(path.basename(whole), names)
    this.complain(['entry'], `is no file: ${whole}`, { suggestion: guess })
    return whole
  }

  cwd() {
    const whole = path.resolve(this.#dir, this.#config.cwd ?? '.')
    if (!fs.statSync(whole, { throwIfNoEntry: false })?.isDirectory()) this.complain(['cwd'], `is no directory: ${whole}`)
    return whole
  }

  instances() {
    const { instances = 1 } = this.#config
    const wanted = typeof instances === 'object' ? instances.perHost : instances
    return wanted === 'max' ? Math.max(1, Math.min(1000, processors())) : wanted
  }

  // As a cluster counts them; `instances` is how many that are on this host.
  scale() {
    const { instances = 1 } = this.#config
    const isPerHost = typeof instances === 'object'
    const wanted = isPerHost ? instances.perHost : instances
    return wanted === 'max' ? { kind: 'max', count: null } : { kind: isPerHost ? 'perHost' : 'count', count: wanted }
  }

  preload() {
    return [this.#config.preload ?? []].flat().map((name) => /^\.\.?\//.test(name) ? path.resolve(this.#dir, name) : name)
  }

  health(health = {}) {
    const { ready = 'auto', timeout, http, call, interval, checkTimeout, failures } = health
    const isChecked = http !== undefined || call !== undefined
    const isAwaited = isChecked || (ready !== 'auto' && ready !== 'started')
    if (timeout !== undefined && !isAwaited) {
      this.complain(['health', 'timeout'], 'waits for a sign of the program: health.ready must be "mesh", "listen" or "message", ' +
        'or there must be health.http or health.call')
    }
    for (const key of ['interval', 'checkTimeout', 'failures']) {
      if (health[key] !== undefined && !isChecked) this.complain(['health', key], 'is about checks: health.http or health.call says which')
    }
    const checks = {
      http: http ?? null, call: call ?? null,
      intervalMs: this.ms(['health', 'interval'], interval, 10e3, { min: 100 }),
      checkTimeoutMs: this.ms(['health', 'checkTimeout'], checkTimeout, 2000, { min: 50 }),
      failures: failures ?? 3,
    }
    return {
      ready, startTimeoutMs: this.ms(['health', 'timeout'], timeout, isAwaited ? 30e3 : 0, { min: 1 }),
      health: isChecked ? checks : null,
    }
  }

  restart(restart = {}) {
    const { when = 'on-failure', max = 5, within = 60e3 } = typeof restart === 'string' ? { when: restart } : restart
    const seconds = Math.ceil(this.ms(['restart', 'within'], within, 60e3, { min: 1000, max: DAY_MS }) / 1000)
    return { restart: when, budget: { restarts: max, seconds } }
  }

  stop({ signal = 'SIGTERM', grace } = {}) {
    const number = os.constants.signals[signal]
    if (number === undefined || signal === 'SIGSTOP') {
      const guess = nearest(signal, Object.keys(os.constants.signals))
      this.complain(['stop', 'signal'], `must be the name of a signal that ends a process, not ${signal}`, { suggestion: guess })
    }
    return { stopSignal: signal, graceMs: this.ms(['stop', 'grace'], grace, 5000) }
  }

  stall(stall) {
    if (stall === undefined) return { stall: null }
    return { stall: { afterMs: this.ms(['stall', 'after'], stall.after, 0, { min: 1000 }), action: stall.action ?? 'stack' } }
  }

  limits({ memory, cpu } = {}) {
    const memoryBytes = this.bytes(['limits', 'memory'], memory, null, { min: MEMORY_MIN, max: 2 ** 50 })
    return { limits: { memoryBytes, cpu: cpu ?? null } }
  }

  logs({ size, files = 5 } = {}) {
    return { logs: { sizeBytes: this.bytes(['logs', 'size'], size, 10 << 20, LOG_LEN), files } }
  }

  // When `warren up` replaces instances, and when `warren deploy` does, which alone has canaries.
  update({ parallel = 0, drain, canary = 0, promote, failures = 0, settle, deadline } = {}) {
    if (promote !== undefined && canary === 0) this.complain(['update', 'promote'], 'is about canaries: update.canary says how many there are')
    const { kind, count } = this.scale()
    if (kind === 'count' && canary > count) this.complain(['update', 'canary'], `is more than the ${count} instances of the service`)
    return {
      update: {
        parallel,
        drainMs: this.ms(['update', 'drain'], drain, 10e3, { min: 1 }),
        canary,
        promoteMs: promote === 'manual' ? 0 : this.ms(['update', 'promote'], promote, 0, { min: 1, max: DAY_MS }),
        failures,
        settleMs: this.ms(['update', 'settle'], settle, 1e3, { min: 1 }),
        deadlineMs: this.ms(['update', 'deadline'], deadline, 60e3, { min: 1000 }),
      },
    }
  }

  // What an instance may use is what its host must have for it, where nothing else is said.
  placement({ labels = {}, spread = false, antiAffinity = [], cpu, memory } = {}, limits = {}) {
    if (antiAffinity.includes(this.#path[1])) {
      this.complain(['placement', 'antiAffinity'], 'names the service itself: placement.spread is what keeps its own instances apart')
    }
    const memoryBytes = this.bytes(['placement', 'memory'], memory, limits.memoryBytes, { min: 0, max: 2 ** 50 })
    return { placement: { labels, spread, antiAffinity, cpu: cpu ?? limits.cpu, memoryBytes } }
  }

  disconnect(disconnect = 'keep') {
    if (disconnect === 'keep') return { disconnect: { policy: 'keep', afterMs: 0, reconcile: null } }
    const { replace, stopAfter, reconcile } = disconnect
    if ((replace === undefined) === (stopAfter === undefined)) {
      this.complain(['disconnect'], 'says either how soon others stand in ({ replace: "5m" }) or when the host ends them ({ stopAfter: "30s" })')
    } else if (reconcile !== undefined && replace === undefined) {
      this.complain(['disconnect', 'reconcile'], 'is about stand-ins: with stopAfter there is never one')
    }
    if (stopAfter !== undefined) {
      return { disconnect: { policy: 'stopAfter', afterMs: this.ms(['disconnect', 'stopAfter'], stopAfter, 0, { min: 1000, max: DAY_MS }), reconcile: null } }
    }
    const afterMs = this.ms(['disconnect', 'replace'], replace, 0, { max: DAY_MS })
    return { disconnect: { policy: 'replace', afterMs, reconcile: reconcile ?? 'original' } }
  }

  // Into `env`: name -> { value, origin }; what is said later stands above what was said before.
  addFiles(env, keys, files = []) {
    for (const file of [files].flat()) {
      const whole = path.resolve(this.#dir, file)
      const { variables = [], line, why } = readEnv(whole)
      if (why !== undefined) this.complain(keys, `: ${whole}${line === undefined ? '' : `:${line}`} ${why}`)
      for (const { name, value, line: at } of variables) env.set(name, { value, origin: `${whole}:${at}` })
    }
  }

  env(common, configFile) {
    const { passEnv = [], ports = [], envFile, env = {} } = this.#config
    const out = new Map()
    const put = (variables, origin) => {
      for (const [name, value] of Object.entries(variables)) out.set(name, { value: String(value), origin })
    }
    for (const name of passEnv) {
      if (process.env[name] !== undefined) out.set(name, { value: process.env[name], origin: 'the shell' })
      else this.complain(['passEnv'], `: the shell has no variable ${name}`)
    }
    this.addFiles(out, ['envFile'], common.envFile)
    put(common.env ?? {}, configFile)
    if (ports.length > 0) put({ PORT: ports[0] }, `${this.#path.join('.')}.ports`)
    this.addFiles(out, ['envFile'], envFile)
    put(env, configFile)
    this.judgeEnv(out)
    return Object.fromEntries([...out].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  judgeEnv(env) {
    let len = 0
    for (const [name, { value }] of env) {
      len += name.length + Buffer.byteLength(value) + 2
      if (value.includes('\0')) this.complain(['env', name], 'has a byte 0')
    }
    if (len > ENV_LEN_MAX) this.complain(['env'], `has ${len} bytes with all its files: ${ENV_LEN_MAX} are the most`)
  }

  resolved(name, common, configFile) {
    const config = this.#config
    const { health, restart, stop, stall, logs, group, update, placement, disconnect } = config
    const { limits } = this.limits(config.limits)
    return {
      name,
      entry: this.entry(),
      args: (config.args ?? []).map(String),
      nodeArgs: (config.nodeArgs ?? []).map(String),
      cwd: this.cwd(),
      preload: this.preload(),
      instances: this.instances(),
      scale: this.scale(),
      env: this.env(common, configFile),
      ports: config.ports ?? [],
      ...this.health(health), ...this.restart(restart), ...this.stop(stop), ...this.stall(stall), limits,
      ...this.logs(logs),
      group: typeof group === 'string' ? { name: group, strategy: null } : { name: null, strategy: null, ...group },
      tags: config.tags ?? {},
      ...this.update(update),
      ...this.placement(placement, limits),
      ...this.disconnect(disconnect),
      secrets: config.secrets ?? [],
    }
  }
}

// As `warren run -i max` counts: those this process may use.
function processors() {
  return typeof os.availableParallelism === 'function' ? os.availableParallelism() : os.cpus().length
}

function checkPorts(services, problems) {
  const owners = new Map()
  for (const { name, ports } of services) {
    for (const port of new Set(ports)) {
      const other = owners.get(port)
      if (other !== undefined) problems.add(['services', name, 'ports'], `services.${name}.ports: ${port} is a port of ${other} already`)
      owners.set(port, name)
    }
  }
}

function checkGroups(services, problems) {
  const strategies = new Map()
  for (const { name, group } of services) {
    if (group.name === null || group.strategy === null) continue
    const other = strategies.get(group.name)
    if (other !== undefined && other.strategy !== group.strategy) {
      problems.add(['services', name, 'group'], `services.${name}.group: ${group.name} is ${other.strategy} already, because of ${other.name}`)
    }
    strategies.set(group.name, other ?? { name, strategy: group.strategy })
  }
}

// Another project of the cluster may have it, so that it is no error.
function checkApart(services, problems) {
  const names = services.map(({ name }) => name)
  for (const { name, placement } of services) {
    for (const other of placement.antiAffinity.filter((other) => !names.includes(other))) {
      const key = `services.${name}.placement.antiAffinity`
      problems.warn(key.split('.'), `${key}: no service of this file is called ${other}`, { suggestion: nearest(other, names) })
    }
  }
}

function projectName(config, dir) {
  if (config.name !== undefined) return config.name
  const name = path.basename(dir).replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+/, '').slice(0, 63)
  return name === '' || name === 'all' ? 'project' : name
}

function normalise(config, file, problems) {
  const dir = path.dirname(file)
  const services = Object.entries(config.services)
    .map(([name, service]) => new Service(problems, ['services', name], service, dir).resolved(name, config, file))
  checkPorts(services, problems)
  checkGroups(services, problems)
  checkApart(services, problems)
  return { name: projectName(config, dir), dir, file, services }
}

module.exports = { normalise }
