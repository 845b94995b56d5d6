// Checks plain data against config.schema.json: those keywords of JSON Schema that it uses (docs/decisions/0018). Each
// part of the schema has a description, which is what a sentence about a wrong value says instead of the keyword.
'use strict'

const { nearest } = require('../nearest.js')

const SHOWN_LEN_MAX = 60

// What other tools call a setting.
const ELSEWHERE = {
  script: 'entry', main: 'entry', program: 'entry', file: 'entry', exec: 'entry', command: 'entry',
  replicas: 'instances', scale: 'instances', environment: 'env', env_file: 'envFile', dotenv: 'envFile',
  node_args: 'nodeArgs', interpreter_args: 'nodeArgs', execArgv: 'nodeArgs', memory: 'limits.memory', cpu: 'limits.cpu',
  max_memory_restart: 'limits.memory', resources: 'limits', kill_timeout: 'stop.grace', grace: 'stop.grace',
  signal: 'stop.signal', stopSignal: 'stop.signal', ready: 'health.ready', wait_ready: 'health.ready', healthcheck: 'health',
  listen_timeout: 'health.timeout', max_restarts: 'restart.max', autorestart: 'restart', port: 'ports', strategy: 'group.strategy',
  workdir: 'cwd', apps: 'services', project: 'name', parallelism: 'parallel',
}

const root = require('./config.schema.json')

function resolve(schema) {
  const description = schema.description
  while (schema.$ref !== undefined) schema = schema.$ref.slice(2).split('/').reduce((at, key) => at[key], root)
  return description === undefined || schema.description !== undefined ? schema : { ...schema, description }
}

function typeOf(value) {
  if (Array.isArray(value)) return 'array'
  if (value === null) return 'null'
  return Number.isInteger(value) ? 'integer' : typeof value
}

function isOfType(value, wanted) {
  const type = typeOf(value)
  return [wanted].flat().some((name) => name === type || (name === 'number' && type === 'integer'))
}

// As people write it; cut, and on one line.
function shown(value) {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > SHOWN_LEN_MAX ? `${text.slice(0, SHOWN_LEN_MAX)}...` : text
}

function nameOf(path) {
  return path.length === 0 ? 'the configuration' : path.join('.')
}

// Whether a text or a number is within what its schema allows.
function isWithin(value, schema) {
  const { minimum = -Infinity, maximum = Infinity, minLength = 0, maxLength = Infinity, pattern } = schema
  if (schema.enum !== undefined && !schema.enum.includes(value)) return false
  if (typeof value === 'number') return value >= minimum && value <= maximum
  if (typeof value !== 'string') return true
  if (value.includes('\0')) return false
  return value.length >= minLength && value.length <= maxLength && (pattern === undefined || new RegExp(pattern, 'u').test(value))
}

function wrongValue(value, schema, path, problems) {
  const guess = typeof value === 'string' && schema.enum !== undefined ? nearest(value, schema.enum) : undefined
  problems.add(path, `${nameOf(path)} must be ${schema.description}, not ${shown(value)}`, { suggestion: guess })
}

// The setting that was probably meant, or undefined.
function meant(key, words) {
  const here = Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : ''
  return words.includes(here.split('.')[0]) ? here : nearest(key, words)
}

function unknownKey(key, schema, path, problems) {
  const guess = meant(key, Object.keys(schema.properties).filter((name) => name !== '$schema'))
  problems.add([...path, key], `${nameOf(path)} has no setting ${shown(key)}`, { suggestion: guess })
}

function checkObject(value, schema, path, problems) {
  const keys = Object.keys(value)
  const { minProperties = 0, maxProperties = Infinity, required = [], properties = {}, additionalProperties: others } = schema
  if (keys.length < minProperties) problems.add(path, `${nameOf(path)} is empty: it wants at least ${minProperties}`)
  if (keys.length > maxProperties) {
    problems.add(path, `${nameOf(path)} has ${keys.length} entries: ${maxProperties} are the most`)
    return
  }
  for (const key of required) {
    if (!Object.hasOwn(value, key)) problems.add(path, `${nameOf(path)} has no ${key}`, { missing: key })
  }
  for (const key of keys) {
    const at = [...path, key]
    if (schema.propertyNames !== undefined && !isWithin(key, resolve(schema.propertyNames))) {
      problems.add(at, `${nameOf(path)}: ${shown(key)} must be ${resolve(schema.propertyNames).description}`)
    } else if (Object.hasOwn(properties, key)) {
      check(value[key], properties[key], at, problems)
    } else if (others === false) {
      unknownKey(key, schema, path, problems)
    } else if (typeof others === 'object') {
      check(value[key], others, at, problems)
    }
  }
}

function checkArray(value, schema, path, problems) {
  const { maxItems = Infinity, items } = schema
  if (value.length > maxItems) {
    problems.add(path, `${nameOf(path)} has ${value.length} entries: ${maxItems} are the most`)
    return
  }
  value.forEach((item, i) => check(item, items, [...path, String(i)], problems))
}

// The branches of each anyOf differ in their types: the one of this value's type is meant.
function branchOf(value, schema) {
  const branch = schema.anyOf.map(resolve).find(({ type }) => isOfType(value, type))
  return branch === undefined ? undefined : { description: schema.description, ...branch }
}

function check(value, part, path, problems) {
  const outer = resolve(part)
  const schema = outer.anyOf === undefined ? outer : branchOf(value, outer)
  if (schema === undefined || !isOfType(value, schema.type) || !isWithin(value, schema)) {
    wrongValue(value, schema ?? outer, path, problems)
    return
  }
  if (part.deploy) problems.leaveToDeploy(path)
  const type = typeOf(value)
  if (type === 'object') checkObject(value, schema, path, problems)
  if (type === 'array') checkArray(value, schema, path, problems)
}

// Adds what is wrong with `config` to `problems`.
function checkConfig(config, problems) {
  check(config, root, [], problems)
}

module.exports = { checkConfig, nameOf, shown }
