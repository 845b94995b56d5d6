// From a file to a project: read, evaluated, checked, made complete.
'use strict'

const fs = require('fs')
const path = require('path')
const { fileURLToPath, pathToFileURL } = require('url')
const { isEcosystem } = require('./find.js')
const { fromEcosystem } = require('./ecosystem.js')
const { normalise } = require('./normalise.js')
const { plainOf } = require('./plain.js')
const { Problems } = require('./problems.js')
const { checkConfig } = require('./schema.js')
const { readSource } = require('./source.js')

const FILE_LEN_MAX = 1 << 20

function readFile(file) {
  try {
    const { size } = fs.statSync(file)
    if (size > FILE_LEN_MAX) return { why: `has ${size} bytes: ${FILE_LEN_MAX} are the most` }
    return { bytes: fs.readFileSync(file) }
  } catch (err) {
    return { why: `cannot be read: ${err.code}` }
  }
}

// Where the error comes from, as far as that is in the file: a frame of its stack, or its first line.
function placeInStack(err, file) {
  const lines = String(err?.stack ?? '').split('\n')
  for (const line of lines) {
    const match = /((?:file:\/\/)?\/[^()]*?):(\d+)(?::(\d+))?\)?$/.exec(line)
    if (match === null) continue
    const where = match[1].startsWith('file:') ? fileURLToPath(match[1]) : match[1]
    if (where === file) return { file, line: Number(match[2]), column: match[3] === undefined ? null : Number(match[3]) }
  }
  return { file }
}

function messageOf(err) {
  return err instanceof Error ? `${err.name}: ${err.message.split('\n')[0]}` : `it threw ${String(err)}`
}

// The value that the file gives, or undefined and a problem.
async function evaluate(file, text, importFile, problems) {
  if (file.endsWith('.json')) return JSON.parse(text)
  let value
  try {
    const module = await importFile(pathToFileURL(file).href)
    value = 'default' in module ? module.default : undefined
    if (typeof value === 'function') value = value()
    value = await value
  } catch (err) {
    problems.add([], `it failed: ${messageOf(err)}`, { place: placeInStack(err, file) })
    return undefined
  }
  if (value === undefined) problems.add([], 'it exports no configuration: `export default { services: { ... } }`')
  return value
}

function plainValue(value, file, problems) {
  try {
    return plainOf(value, problems)
  } catch (err) { // a getter of the file's
    problems.add([], `it failed: ${messageOf(err)}`, { place: placeInStack(err, file) })
    return undefined
  }
}

function locator(file, source, pathOf) {
  return (keys) => ({ file, ...source?.locate(pathOf(keys)) })
}

function failed(file, problems) {
  const { list, warnings, planned, deployOnly } = problems
  return { file, problems: list, warnings, planned, deployOnly, project: null }
}

async function load(file, { env, importFile }) {
  let pathOf = (keys) => keys
  let source
  const problems = new Problems((keys) => locator(file, source, pathOf)(keys))
  const prefix = path.basename(file) === 'package.json' ? ['warren'] : []
  const { bytes, why } = readFile(file)
  const read = why === undefined ? readSource(bytes, { isJson: file.endsWith('.json'), prefix }) : { why }
  if (read.source === undefined) {
    problems.add([], read.line === undefined ? `it ${read.why}` : read.why, { place: { file, line: read.line, column: read.column } })
    return failed(file, problems)
  }
  source = read.source
  const value = await evaluate(file, read.text, importFile, problems)
  if (problems.list.length > 0) return failed(file, problems)
  source.eachDuplicate((keys, place) => problems.add(keys, `${keys.join('.')} is said twice`, { place: { file, ...place } }))

  let config = plainValue(prefix.reduce((at, key) => at?.[key], value), file, problems)
  if (problems.list.length === 0 && isEcosystem(file)) ({ config, pathOf } = fromEcosystem(config, { env, problems }))
  else if (env !== undefined) problems.add([], '--env chooses variables of an ecosystem.config.js, and this is none')
  if (problems.list.length > 0) return failed(file, problems)
  checkConfig(config, problems)
  if (problems.list.length > 0) return failed(file, problems)
  const project = normalise(config, file, problems)
  if (problems.list.length > 0) return failed(file, problems)
  return { ...failed(file, problems), project, config }
}

module.exports = { load }
