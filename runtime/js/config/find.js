// Which file is the configuration of a directory.
'use strict'

const fs = require('fs')
const path = require('path')

const NAMES = [
  'warren.config.mjs', 'warren.config.cjs', 'warren.config.js', 'warren.config.json',
  'ecosystem.config.cjs', 'ecosystem.config.js', 'ecosystem.config.mjs', 'ecosystem.config.json',
]

function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true
}

function hasField(dir) {
  try {
    return Object.hasOwn(JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')), 'warren')
  } catch {
    return false // there is none, or it is not a package's
  }
}

// { file }, or { why }. `given`: a file or a directory, or nothing: then this directory and those above are looked through.
function find(given, cwd) {
  const start = path.resolve(cwd, given ?? '.')
  if (given !== undefined && !fs.statSync(start, { throwIfNoEntry: false })?.isDirectory()) {
    return isFile(start) ? { file: start } : { why: `there is no file ${start}` }
  }
  for (let dir = start; ; dir = path.dirname(dir)) {
    const found = NAMES.map((name) => path.join(dir, name)).filter(isFile)
    const ours = found.filter((file) => path.basename(file).startsWith('warren.'))
    if (ours.length > 1) {
      return { why: `${dir} has ${ours.map((file) => path.basename(file)).join(' and ')}: which one is it?` }
    }
    if (ours.length === 1) return { file: ours[0] }
    if (hasField(dir)) return { file: path.join(dir, 'package.json') }
    if (found.length > 0) return { file: found[0] }
    if (given !== undefined || dir === path.dirname(dir)) break
  }
  return { why: `there is no warren.config.mjs (or .cjs, .js, .json), no package.json with "warren" and no ecosystem.config.js in ${start}${given === undefined ? ' or above' : ''}` }
}

function isEcosystem(file) {
  return path.basename(file).startsWith('ecosystem.config.')
}

module.exports = { find, isEcosystem }
