// From a configuration that agrees with the schema to what the agent is asked for: every default is there, sizes are bytes,
// times milliseconds, paths absolute, files of variables read.
'use strict'

const fs = require('fs')
const os = require('os')
const path = require('path')
const { bytesOf, msOf } = require('./units.js')
const { readEnv } = require('./env_file.js')
const { nearest } = require('./nearest.js')

const HOUR_MS = 3600e3
const DAY_S = 86400
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

  preload() {
    return [this.#config.preload ?? []].flat().map((name) => /^\.\.?\//.test(name) ? path.resolve(this.#dir, name) : name)
  }

  health(health = {}) {
    const { ready = 'auto', timeout } = health
    const isSign = ready !== 'auto' && ready !== 'started'
    if (timeout !== undefined && !isSign) {
      this.complain(['health', 'timeout'], 'waits for a sign of the program: health.ready must be "mesh", "listen" or "message"')
    }
    return { ready, startTimeoutMs: this.ms(['health', 'timeout'], timeout, isSign ? 30e3 : 0, { min: 1 }) }
  }

  restart(restart = {}) {
    const { when = 'on-failure', max = 5, within = 60e3 } = typeof restart === 'string' ? { when: restart } : restart
    const seconds = Math.ceil(this.ms(['restart', 'within'], within, 60e3, { min: 1000, max: DAY_S * 1000 }) / 1000)
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

  update({ parallel = 0, drain } = {}) {
    return { update: { parallel, drainMs: this.ms(['update', 'drain'], drain, 10e3, { min: 1 }) } }
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
    const { health, restart, stop, stall, limits, logs, group, update } = config
    return {
      name,
      entry: this.entry(),
      args: (config.args ?? []).map(String),
      nodeArgs: (config.nodeArgs ?? []).map(String),
      cwd: this.cwd(),
      preload: this.preload(),
      instances: this.instances(),
      env: this.env(common, configFile),
      ports: config.ports ?? [],
      ...this.health(health), ...this.restart(restart), ...this.stop(stop), ...this.stall(stall), ...this.limits(limits),
      ...this.logs(logs),
      group: typeof group === 'string' ? { name: group, strategy: null } : { name: null, strategy: null, ...group },
      tags: config.tags ?? {},
      ...this.update(update),
      placement: config.placement ?? null,
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
  return { name: projectName(config, dir), dir, file, services }
}

module.exports = { normalise }
