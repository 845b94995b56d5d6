// What a stock Node.js loads as the package `warren`: index.js, once for each thread. Syntax that the oldest Node.js
// reads, for it is to say that it is too old.
'use strict'

var kPackage = Symbol.for('warren ' + compatible(require('./package.json').version))

// One process is one member: copies of the package that other packages brought along are one package too.
if (isWarrenNode()) module.exports = require('module').createRequire(__filename)('warren')
else if (process[kPackage] !== undefined) module.exports = process[kPackage]
else {
  checkNode()
  module.exports = require('./index.js') // the last assignment in this file: there Node looks for the names to import
  Object.defineProperty(process, kPackage, { value: module.exports })
}

// There the package is a part of the program. Who reaches this file has a path to it, or bundled it.
function isWarrenNode() {
  return require('module').builtinModules.indexOf('warren') >= 0
}

function checkNode() {
  if (parseInt(process.versions.node, 10) >= 20) return
  throw new Error('the package warren needs Node.js 20 or later, and this is ' + process.version)
}

// 1.2.3 and 1.4.0 can stand for each other, 0.1.2 and 0.2.0 can not.
function compatible(version) {
  return /^(0\.)?\d+/.exec(version)[0]
}
