// `warren/config`: reads a configuration. A module for warren-node, which `warren config` runs in a process of
// its own: the file is a program and may do anything, print, wait for ever, end the process.
'use strict'

const fs = require('fs')
const { find } = require('./find.js')
const { load } = require('./load.js')
const { writeImport } = require('./import.js')

const RESULT_FD = 3

// { file, problems, warnings, planned, deployOnly, project }; the project is null when there are problems.
async function loadConfig(given, { cwd = process.cwd(), env, importFile }) {
  const { file, why } = find(given, cwd)
  if (why !== undefined) {
    const problem = { file: null, line: null, column: null, key: '', text: why, suggestion: null }
    return { file: null, problems: [problem], warnings: [], planned: [], deployOnly: [], project: null }
  }
  return load(file, { env, importFile })
}

// What the command line asks for by the words after it: show|import [--env NAME] [FILE]. The answer goes to a descriptor of its
// own: what the file prints is no part of it. `importFile` is import() as a program has it.
async function answer([what, env, given], importFile) {
  const result = await loadConfig(given || undefined, { env: env || undefined, importFile })
  if (what === 'import' && result.project !== null) result.text = writeImport(result)
  delete result.config
  const text = JSON.stringify(result)
  for (let at = 0, bytes = Buffer.from(text); at < bytes.length;) at += fs.writeSync(RESULT_FD, bytes, at)
  process.exit(0) // whatever the file has left running
}

module.exports = { loadConfig, answer }
