// Copies files and directories to a store, and back: see README.md.
import { readdir, stat } from 'node:fs/promises'
import { basename, join as joined, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'
import { join } from 'warren'
import { keep, partsOf } from './parts.mjs'

const USAGE = `usage: copy.mjs put PATH [NAME] | get NAME [PATH] | list [NAME]     --to STORE: which, by name or host`

const { values: options, positionals: [verb, from, to] } = parseArgs({ allowPositionals: true, options: { to: { type: 'string' } } })
const verbs = { put, get, list }
if (!Object.hasOwn(verbs, verb ?? '') || (verb !== 'list' && from === undefined)) {
  console.error(USAGE)
  process.exit(2)
}

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => interrupted.abort())

const mesh = await join()
const done = { files: 0, bytes: 0 }
let files

async function open() {
  const { signal } = interrupted
  await mesh.available('files', { signal })
  const store = mesh.instances('files').find(({ name, service, host }) => options.to === undefined || [name, service, host].includes(options.to))
  if (store === undefined) throw new Error(`there is no store ${options.to}`)
  files = mesh.client('files', { to: store, signal, timeout: 30_000 }) // for each part, and for the disk behind the last one
}

async function* filesOf(path) {
  if ((await stat(path)).isFile()) return yield path
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) yield* filesOf(joined(path, entry.name))
    else if (entry.isFile()) yield joined(path, entry.name)
  }
}

function count(len) {
  done.bytes += len
  if (process.stderr.isTTY) process.stderr.write(`\r${done.files} files, ${(done.bytes / 1e6).toFixed(1)} MB`)
}

async function* counted(path, target) {
  yield { path: target }
  for await (const part of partsOf(path)) {
    yield part
    count(part.length ?? 0)
  }
}

async function put(path, name = basename(resolve(path))) {
  for await (const file of filesOf(path)) {
    await files.write(counted(file, joined(name, relative(path, file))))
    done.files++
  }
}

async function get(name, path = basename(name)) {
  for await (const file of files.list({ path: name })) {
    const below = relative(name, file)
    if (below.split(sep)[0] === '..') throw new Error(`the store says that ${name} has ${file}`)
    await keep(files.read({ path: file }), joined(path, below), count)
    done.files++
  }
}

async function list(name = '') {
  for await (const file of files.list({ path: name })) console.log(file)
}

try {
  await open()
  await verbs[verb](from, to)
  if (verb !== 'list') console.log(`${done.files} files, ${done.bytes} bytes`)
} catch (err) {
  console.error(interrupted.signal.aborted ? 'interrupted' : err.message)
  process.exitCode = interrupted.signal.aborted ? 130 : 1
}
await mesh.close()
