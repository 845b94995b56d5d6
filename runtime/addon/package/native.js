// The native half, loaded at first use, from the package of this platform.
'use strict'

const { MeshError } = require('./errors.js')
const { version, optionalDependencies } = require('./package.json')

let binding = null

function native() {
  binding ??= load()
  return binding
}

function load() {
  const name = `warren-${process.platform}-${process.arch}`
  try {
    const found = require(`${name}/package.json`).version
    if (found !== version) throw new Error(`${name} is of version ${found}, warren of ${version}: install both again`)
    return require(name)
  } catch (cause) {
    throw new MeshError('ERR_WARREN_NO_ADDON', whyNot(name, cause), { cause })
  }
}

function whyNot(name, cause) {
  const there = Object.keys(optionalDependencies)
  const isMusl = process.platform === 'linux' && process.report?.getReport().header.glibcVersionRuntime === undefined
  if (!there.includes(name) || isMusl) {
    const here = `${process.platform}-${process.arch}${isMusl ? ' with musl' : ''}`
    return `there is no native part for ${here}; there is: ${there.join(', ')} (glibc)`
  }
  if (cause.code === 'MODULE_NOT_FOUND') {
    return `${name} is not installed: npm leaves it out with --omit=optional, and when node_modules comes from another platform`
  }
  return `${name} cannot be loaded: ${cause.message}`
}

module.exports = { native }
