// An ecosystem.config.js of PM2 as a configuration of ours. What has no counterpart is told as a warning, with the reason;
// nothing is left out in silence.
'use strict'

const path = require('path')
const { nearest } = require('../nearest.js')

const LOGS = 'Warren keeps the output of each service itself (`warren logs`)'
const WATCH = 'services do not watch their files: `warren reload` brings new code'

// Options that cannot be carried over, and why.
const WITHOUT = {
  watch: WATCH, ignore_watch: WATCH, watch_delay: WATCH, watch_options: WATCH,
  out_file: LOGS, output: LOGS, out: LOGS, error_file: LOGS, error: LOGS, log_file: LOGS, log: LOGS, log_type: LOGS,
  log_date_format: LOGS, merge_logs: LOGS, combine_logs: LOGS, disable_logs: LOGS, time: LOGS,
  pid: 'Warren knows its nodes without files of pids', pid_file: 'Warren knows its nodes without files of pids',
  min_uptime: 'restart.within says over how long restarts are counted',
  shutdown_with_message: 'a program is asked to end by a signal (stop.signal)',
  stop_exit_codes: 'exit code 0 ends a service for good with restart "on-failure", no other does',
  cron_restart: 'there is no clock for restarts: `warren restart` in a cron job does it',
  cron: 'there is no clock for restarts: `warren restart` in a cron job does it',
  restart_delay: 'restarts wait 100 ms, doubling to 15 s',
  exp_backoff_restart_delay: 'restarts wait 100 ms, doubling to 15 s, anyway',
  instance_var: 'a program knows its instance by mesh.self', increment_var: 'instances of a service share its environment',
  filter_env: 'a service has of the shell only what passEnv names', append_env_to_name: 'a service is called as the file says',
  namespace: 'targets are services and instances', treekill: 'each node is ended by its own signal',
  post_update: 'there is no hook after an update', version: '', tags: '',
}
const USER = () => 'it would run with the rights of the agent'
const INTERPRETER = (value) => `its script would be run as JavaScript, not by ${JSON.stringify(value)}`

// Without these a program would not be what it is meant to be: `warren up` refuses them.
const REFUSED = { uid: USER, gid: USER, user: USER, interpreter: INTERPRETER, exec_interpreter: INTERPRETER }

// What Warren does anyway, or what says nothing about how a program runs.
const UNNEEDED = new Set([
  'exec_mode', 'vizion', 'autostart', 'force', 'disable_trace', 'trace', 'automation', 'pmx', 'deep_monitoring', 'versioning',
  'windowsHide', 'kill_retry_time', 'source_map_support', 'disable_source_map_support',
])

function words(value) {
  return Array.isArray(value) ? value.map(String) : String(value).match(/"[^"]*"|'[^']*'|\S+/g)?.map((w) => w.replace(/^(["'])(.*)\1$/, '$2')) ?? []
}

function isOn(value) {
  return value === true || value === 'true'
}

function instancesOf(value) {
  if (value === 'max' || value === 0 || value === '0') return 'max'
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
}

function sizeOf(value) {
  return typeof value === 'string' ? value.toUpperCase().replace(/B$/, '') : value
}

// Each PM2 option with a counterpart: into `to(ourPath, value)`.
const COUNTERPARTS = {
  script: (value, to) => to(['entry'], value),
  args: (value, to) => to(['args'], words(value)),
  cwd: (value, to) => to(['cwd'], value),
  instances: (value, to) => to(['instances'], instancesOf(value)),
  node_args: (value, to) => to(['nodeArgs'], words(value)),
  interpreter_args: (value, to) => to(['nodeArgs'], words(value)),
  env: (value, to) => to(['env'], value),
  env_file: (value, to) => to(['envFile'], value),
  port: (value, to) => to(['ports'], [Number(value)]),
  max_memory_restart: (value, to) => to(['limits', 'memory'], sizeOf(value)),
  kill_timeout: (value, to) => to(['stop', 'grace'], value),
  wait_ready: (value, to) => isOn(value) && to(['health', 'ready'], 'message'),
  listen_timeout: (value, to, app) => isOn(app.wait_ready) && to(['health', 'timeout'], value),
  max_restarts: (value, to) => to(['restart', 'max'], value),
  // PM2 starts again what has ended with 0, too.
  autorestart: (value, to) => to(['restart', 'when'], value === false ? 'never' : 'always'),
}
const SAME = {
  exec: 'script', cmd: 'script', node_arguments: 'node_args', nodeArgs: 'node_args', restart: 'autorestart', cwd_path: 'cwd',
  maxMemoryRestart: 'max_memory_restart', killTimeout: 'kill_timeout', waitReady: 'wait_ready', maxRestarts: 'max_restarts',
}

// A copy: what two applications share in the file (a common `env`) stays their own here.
function put(object, [key, ...rest], value) {
  if (rest.length === 0) object[key] = value
  else put(object[key] ??= {}, rest, value)
}

function nameOfApp(app, taken) {
  const given = app.name ?? path.basename(String(app.script ?? 'app')).replace(/\.[cm]?js$/, '')
  const clean = String(given).replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+/, '').slice(0, 60) || 'app'
  let name = clean === 'all' ? 'app' : clean
  for (let n = 2; taken.has(name); n++) name = `${clean}-${n}`
  return { name, isChanged: app.name !== undefined && name !== app.name }
}

function warnUnknown(key, at, problems) {
  const known = [...Object.keys(COUNTERPARTS), ...Object.keys(WITHOUT), ...Object.keys(REFUSED), ...UNNEEDED]
  problems.warn([...at, key], `${[...at, key].join('.')} is no option that Warren knows of PM2`, { suggestion: nearest(key, known) })
}

function saysNothing(value) {
  return value === false || value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

function refuse(key, value, at, problems) {
  if (saysNothing(value)) return
  if (/interpreter$/.test(key) && /(^|\/)node(@[\w.]+)?$/.test(value)) return
  problems.plan([...at, key], `${[...at, key].join('.')} has no counterpart, and \`warren up\` refuses it: ${REFUSED[key](value)}`)
}

function warnWithout(key, value, at, problems) {
  if (saysNothing(value)) return
  const why = WITHOUT[key] === '' ? '' : `: ${WITHOUT[key]}`
  problems.warn([...at, key], `${[...at, key].join('.')} has no counterpart${why}`)
}

function convertApp(app, at, env, problems) {
  const service = {}
  const from = new Map()
  for (const [written, value] of Object.entries({ ...app, autorestart: app.autorestart ?? true })) {
    const key = SAME[written] ?? written
    const to = (ourPath, ours) => {
      put(service, ourPath, ours)
      from.set(ourPath.join('.'), [...at, written])
    }
    if (written === 'name' || UNNEEDED.has(key)) continue
    if (key.startsWith('env_') && key !== 'env_file') continue // of --env
    if (Object.hasOwn(COUNTERPARTS, key)) COUNTERPARTS[key](value, to, app)
    else if (Object.hasOwn(REFUSED, key)) refuse(key, value, at, problems)
    else if (Object.hasOwn(WITHOUT, key)) warnWithout(key, value, at, problems)
    else warnUnknown(key, at, problems)
  }
  if (typeof app.cwd === 'string' && typeof app.script === 'string') service.entry = path.isAbsolute(app.script) ? app.script : path.join(app.cwd, app.script)
  if (env !== undefined && app[`env_${env}`] === undefined) {
    problems.warn(at, `${at.join('.')} has no env_${env}: it runs with env alone`)
  } else if (env !== undefined) {
    service.env = { ...service.env, ...app[`env_${env}`] }
    from.set('env', [...at, `env_${env}`])
  }
  return { service, from }
}

// One that no application has is a slip: all of them would run with the variables of somewhere else.
function judgeEnv(list, env, problems) {
  if (env === undefined || list.length === 0 || list.some((app) => app[`env_${env}`] !== undefined)) return
  const names = [...new Set(list.flatMap((app) => Object.keys(app)).filter((key) => /^env_(?!file$)/.test(key)).map((key) => key.slice(4)))]
  const there = names.length === 0 ? 'none has an env_NAME' : `there are ${names.join(', ')}`
  problems.add(['apps'], `--env ${env}: no application has env_${env} (${there})`, { suggestion: nearest(env, names) })
}

function listOf(value, problems) {
  const apps = Array.isArray(value) ? value : value?.apps
  const list = Array.isArray(apps) ? apps : [apps]
  const isGood = apps !== undefined && list.length > 0 && list.every((app) => app !== null && typeof app === 'object' && !Array.isArray(app))
  if (!isGood) problems.add(['apps'], 'apps must be a list of applications, each an object with a script')
  return isGood ? { list, prefix: Array.isArray(value) ? [] : ['apps'], isList: Array.isArray(apps) } : { list: [] }
}

// { config, pathOf }: pathOf says where in the file a setting of ours comes from.
function fromEcosystem(value, { env, problems }) {
  const services = {}
  const origins = new Map()
  const { list, prefix, isList } = listOf(value, problems)
  judgeEnv(list, env, problems)
  list.forEach((app, i) => {
    const at = isList ? [...prefix, String(i)] : prefix
    const { name, isChanged } = nameOfApp(app, new Set(Object.keys(services)))
    if (isChanged) problems.warn([...at, 'name'], `${[...at, 'name'].join('.')}: "${app.name}" cannot be a name here, or is one already: it is called ${name}`)
    const { service, from } = convertApp(app, at, env, problems)
    services[name] = service
    origins.set(name, { at, from })
  })
  for (const key of Array.isArray(value) ? [] : Object.keys(value ?? {})) {
    if (key === 'deploy') problems.warn(['deploy'], 'deploy has no counterpart: programs are not fetched from a repository')
    else if (key !== 'apps') problems.warn([key], `${key} is no part of an ecosystem file`)
  }
  return { config: { services }, pathOf: (keys) => originOf(keys, origins) }
}

function originOf(keys, origins) {
  const [first, name, ...rest] = keys
  const origin = first === 'services' ? origins.get(name) : undefined
  if (origin === undefined) return keys
  for (let len = rest.length; len > 0; len--) {
    const from = origin.from.get(rest.slice(0, len).join('.'))
    if (from !== undefined) return [...from, ...rest.slice(len)]
  }
  return origin.at
}

module.exports = { fromEcosystem }
