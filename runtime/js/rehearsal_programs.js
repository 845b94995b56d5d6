// Whole programs, run in the zygote as a node runs them: a CommonJS one and an ES module, each with a file beside it.
// Loading and linking them is then compiled and warm in the pages all children share. Like boot.js it uses Node's own
// internals; all that a program could see of it is forgotten.
'use strict'
/* global internalBinding */

const fs = require('fs')
const path = require('path')
const { tmpdir } = require('os')
const { Module } = require('internal/modules/cjs/loader')
const { esmLoader } = require('internal/process/esm_loader')

const PREFIX = 'warren-rehearsal-'
const BOOT_MS_MAX = 60_000

const FILES = {
  'package.json': '{"type": "commonjs"}', // the search for one ends here: it remembers what it finds on its way up
  'main.js': "const { join } = require('node:path'); exports.c = join('a', require('./beside.js').b)",
  'beside.js': "exports.b = 'b'",
  'main.mjs': `
    import { readFileSync } from 'node:fs'
    import { join } from 'warren'
    import { b } from './beside.mjs'
    const { c } = await import('./late.mjs')
    export const all = [readFileSync, join, b, c, import.meta.url]`,
  'beside.mjs': "import { join } from 'node:path'; export const b = join('a', 'b')",
  'late.mjs': "export const c = 'c'",
}

// `start(args)` runs a program. Returns { play(), forget() }, or null where no file can be written: programs then
// start as well, only slower.
exports.open = (start) => {
  const tables = [Module._cache, Module._pathCache].map((table) => ({ table, kept: new Set(Object.keys(table)) }))
  const urls = new Set(esmLoader.loadCache.keys()) // of modules that were loaded before, for good
  let dir
  try {
    removeLeftOvers()
    dir = fs.mkdtempSync(path.join(tmpdir(), PREFIX))
    for (const [name, text] of Object.entries(FILES)) fs.writeFileSync(`${dir}/${name}`, text)
  } catch {
    remove(dir)
    return null
  }
  return {
    play() {
      for (const main of ['main.js', 'main.mjs']) {
        try {
          start([`${dir}/${main}`, 'argument'])
        } catch { /* its files are gone: one rehearsed less */ }
        settle()
        forgetProgram(tables, urls)
      }
    },
    forget() {
      forgetPaths()
      remove(dir)
    },
  }
}

// Of zygotes that were killed while they booted.
function removeLeftOvers() {
  for (const name of fs.readdirSync(tmpdir())) {
    const dir = path.join(tmpdir(), name)
    if (name.startsWith(PREFIX) && Date.now() - fs.lstatSync(dir).mtimeMs > BOOT_MS_MAX) remove(dir)
  }
}

function remove(dir) {
  try {
    if (dir !== undefined) fs.rmSync(dir, { recursive: true })
  } catch { /* a file system that has become read-only keeps it */ }
}

// Lets promises and process.nextTick run out; nothing here waits for the loop.
function settle() {
  const { runMicrotasks } = internalBinding('task_queue')
  for (let i = 0; i < 8; i++) {
    runMicrotasks()
    process._tickCallback()
  }
}
exports.settle = settle

function forgetProgram(tables, urls) {
  process.argv.length = 1
  delete process.mainModule
  for (const { table, kept } of tables) for (const name of Object.keys(table)) if (!kept.has(name)) delete table[name]
  for (const url of [...esmLoader.loadCache.keys()]) if (!urls.has(url)) esmLoader.loadCache.delete(url)
}

// Node remembers which paths it found to have no symbolic link. Only fs.realpathSync() is ever shown that table.
function forgetPaths() {
  const { realpathCacheKey } = require('internal/fs/utils')
  const { realpathSync } = fs
  fs.realpathSync = (_path, { [realpathCacheKey]: known }) => known.clear()
  require('internal/modules/helpers').toRealPath('/')
  fs.realpathSync = realpathSync
}
