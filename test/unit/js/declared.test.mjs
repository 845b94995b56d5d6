// index.d.ts, the code and docs/api.md tell of the same things.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { require } from './support.mjs'

const read = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const declarations = read('runtime/js/index.d.ts')
const sources = readdirSync(new URL('../../../runtime/js/', import.meta.url), { recursive: true })
const code = (Array.isArray(sources) ? sources : []).filter((name) => name.endsWith('.js')).map((name) => read(`runtime/js/${name}`)).join('\n')
  + ['encode', 'decode', 'refusal'].map((name) => read(`runtime/js/codec/${name}.js`)).join('\n') // Node.js 18 reads no folder in a folder
  + read('runtime/addon/package/native.js')
const codesIn = (text) => [...new Set(text.match(/ERR_WARREN_[A-Z_]+/g))].sort()

test('the error codes of index.d.ts are those that the code throws and those that docs/api.md explains', () => {
  const union = declarations.slice(declarations.indexOf('export type MeshErrorCode'), declarations.indexOf('export class MeshError'))
  const ofArguments = declarations.slice(declarations.indexOf('export interface ArgumentError')).split('\n}')[0]
  const declared = [...codesIn(union.slice(0, union.indexOf('/**'))), ...codesIn(ofArguments)].sort()
  assert.deepEqual(codesIn(code), declared)
  const docs = read('docs/api.md')
  const table = docs.slice(docs.indexOf('\n## Errors'), docs.indexOf('\n## Watching'))
  assert.deepEqual(codesIn(table.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split('|')[1]).join()), declared)
})

// What an interface declares, by name: methods and properties of its own.
function membersOf(name) {
  const match = new RegExp(`export (?:interface|class) ${name}\\b[^\\n]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(declarations)
  assert.ok(match, `${name} is declared`)
  const text = match[1].replace(/\/\*\*[\s\S]*?\*\//g, '')
  return [...text.matchAll(/^ {2}(?:readonly )?(\[Symbol\.\w+\]|\w+)\??[(<:]/gm)].map(([, member]) => member)
}

// What users can reach of an object of this class: methods, getters and fields.
function reachable(source, name) {
  const start = new RegExp(`^class ${name}\\b.*\\{\\n`, 'm').exec(source)
  assert.ok(start, `class ${name}`)
  const body = source.slice(start.index, source.indexOf('\n}\n', start.index))
  const methods = [...body.matchAll(/^ {2}(?:async |get |\*)*(\[\w+(?:\.\w+)?\]|\w+)\(.*\) \{$/gm)].map(([, member]) => member)
  const fields = [...body.matchAll(/^ {2}(\w+) = /gm), ...body.matchAll(/^ {4}(?:if \(.*\) )?this\.(\w+) = /gm)].map(([, member]) => member)
  const spelled = { '[dispose]': '[Symbol.dispose]', '[asyncDispose]': '[Symbol.asyncDispose]' }
  return [...new Set([...methods, ...fields])].filter((member) => member !== 'constructor').map((member) => spelled[member] ?? member)
}

// interface: [file, class, what the files of the package call among themselves]
const CLASSES = {
  Mesh: ['mesh.js', 'Mesh', ['[RETIRE]']],
  Peer: ['peers.js', 'Peer', []],
  Msg: ['subscription.js', 'Msg', ['abort']],
  Subscription: ['subscription.js', 'Subscription', ['begin', 'message', 'request', 'drain', 'leave', 'isChosen']],
  Service: ['service.js', 'Service', ['request', 'leave', 'isChosen', 'has', 'ask']],
  Context: ['service.js', 'Context', ['isAborted', 'isExpired', 'abort', 'reads', 'item', 'sends', 'grant', 'refuse', 'close']],
  StreamReader: ['reading.js', 'Reading', ['take', 'finish', 'fail', 'stop', 'drop']],
  Monitor: ['monitor.js', 'Monitor', []],
  Lease: ['leases.js', 'Lease', []],
  TestCluster: ['testing.js', 'TestCluster', ['env', 'remove']],
  TestNode: ['testing.js', 'Node', ['ask', 'signal', 'pause', 'resume', 'kill', 'isPaused', 'mesh']],
  MeshError: ['errors.js', 'MeshError', []],
}
// Of AsyncIterableIterator and Disposable.
const INHERITED = {
  Subscription: ['next', 'return', 'throw', '[Symbol.asyncIterator]'],
  StreamReader: ['next', 'return', '[Symbol.asyncIterator]'],
  Monitor: ['[Symbol.dispose]'],
}

for (const [name, [file, className, internal]] of Object.entries(CLASSES)) {
  test(`${name}: what is declared is there, and what is there is declared`, () => {
    const declared = [...membersOf(name), ...(INHERITED[name] ?? [])].sort()
    const there = reachable(read(`runtime/js/${file}`), className).filter((member) => !internal.includes(member)).sort()
    assert.deepEqual(there, declared)
  })
}

// Of TAKES, what it is called in the declarations; the others stand where they are taken.
const OPTIONS = {
  PUBLISH: ['PublishOptions'], CALL: ['CallOptions', 'Route'], SUBSCRIBE: ['SubscribeOptions'], SERVE: ['ServeOptions'],
  LEASE: ['LeaseOptions'], JOIN: ['JoinOptions'], TEST_CLUSTER: ['TestClusterOptions'],
  UNSUBSCRIBE: /unsubscribe\(options\?: \{(.*?)\}\)/, EXCLUSIVE: /exclusive\?: boolean \| \{(.*?)\}/,
  AVAILABLE: /available\(name: string, options\?: \{(.*?)\}\)/, CLOSE: /close\(options\?: \{(.*?)\}\)/,
}

test('the options that are declared are those that are taken', () => {
  const { TAKES } = require('./options.js')
  const known = [...new Set(Object.values(TAKES).flatMap(({ names }) => names))]
  assert.deepEqual(Object.keys(OPTIONS).sort(), Object.keys(TAKES).sort())
  for (const [name, { names, has }] of Object.entries(TAKES)) {
    const where = OPTIONS[name]
    const declared = Array.isArray(where) ? where.flatMap(membersOf) : [...where.exec(declarations)[1].matchAll(/(\w+)\?:/g)].map(([, option]) => option)
    assert.deepEqual([...names].sort(), declared.sort(), name)
    assert.deepEqual(known.filter(has).sort(), declared.sort(), `${name}: what has() says`)
  }
})

test('everything that has an end is disposable', () => {
  for (const name of ['Mesh', 'Subscription', 'Service', 'StreamReader', 'TestCluster', 'TestNode']) assert.ok(membersOf(name).includes('[Symbol.asyncDispose]'), name)
  assert.match(declarations, /interface Monitor extends Disposable/)
  assert.match(declarations, /onClose\(.*\): Disposable/)
  const { dispose, asyncDispose } = require('./dispose.js')
  assert.deepEqual([Symbol.dispose, Symbol.asyncDispose], [dispose, asyncDispose])
})
