// The modules that a service wants to have loaded before its nodes are forked. Loads them, and finds out whether forks can
// share what they did. Like boot.js it uses Node's own internals.
'use strict'
/* global internalBinding */

const path = require('path')
const { inspect } = require('util')
const { pathToFileURL } = require('internal/url')
const { Module } = require('internal/modules/cjs/loader')
const { getPackageType } = require('internal/modules/esm/resolve')
const { esmLoader } = require('internal/process/esm_loader')

const STREAMS = ['stdin', 'stdout', 'stderr'] // by descriptor
const WARM_UPS = 30
const WARM_UP_MS_MAX = 500
// What node:crypto draws at once and gives out bit by bit: values of randomUUID() and of randomInt().
const UUID_BATCH = 128
const INT_BATCH = 1024

// ---- loading

function resolve(name) {
  const parent = new Module('internal/preload', null)
  parent.paths = Module._nodeModulePaths(process.cwd())
  try {
    return { parent, file: Module._resolveFilename(name, parent) }
  } catch (err) {
    if (err.code !== 'MODULE_NOT_FOUND' && err.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw err
    return { parent, err } // a package for import alone, or not there
  }
}

const importFrom = (specifier) => esmLoader.import(specifier, pathToFileURL(`${process.cwd()}/`).href, { __proto__: null })

// A promise where it takes one, for an ES module.
function loadOne(name) {
  const { parent, file, err } = resolve(name)
  if (err !== undefined) {
    return importFrom(name).catch((second) => { throw second.code === 'ERR_MODULE_NOT_FOUND' ? err : second })
  }
  if (isEsModule(file)) return importFrom(pathToFileURL(file).href)
  parent.require(name)
}

// Asked before: an error that is caught and thrown again would be shown at our line.
function isEsModule(file) {
  return file.endsWith('.mjs') || (file.endsWith('.js') && getPackageType(pathToFileURL(file)) === 'module')
}

/** As a program's first lines would; `then` follows at once unless an ES module is among them. */
exports.loadAll = (names, then) => {
  for (let i = 0; i < names.length; i++) {
    const wait = loadOne(names[i])
    if (wait === undefined) continue
    const { triggerUncaughtException } = internalBinding('errors')
    wait.then(() => setImmediate(exports.loadAll, names.slice(i + 1), then), (err) => triggerUncaughtException(err, false))
    return
  }
  then()
}

// ---- in the zygote

const obstacles = [] // why forks could not share what was loaded
const note = (text) => { if (!obstacles.includes(text)) obstacles.push(text) }

/** Resolves to what stands in the way of a fork, a clause; to '' when nothing does. Does not reject. */
exports.load = async (names, args) => {
  const cwd = process.cwd()
  process.argv.push(path.resolve(args[0]), ...args.slice(1))
  const undo = [guardRandom(), guardStreams(), guardPid()]
  let current
  try {
    for (current of names) await loadOne(current)
    current = 'its warm-up'
    await warmUp()
    await new Promise((done) => setImmediate(done))
  } catch (err) {
    process._rawDebug(inspect(err)) // in the agent's log; the node that starts cold meets it again
    const text = String(err?.message ?? err).split('\n', 1)[0].slice(0, 300)
    note(`${current} could not be loaded before the fork: ${text}`)
  } finally {
    for (const each of undo) each()
    process.argv.length = 1
  }
  if (require('internal/timers').timerListQueue.peek() !== undefined) note('has left a timer running')
  if (process.cwd() !== cwd) note('has changed the directory')
  const [first] = obstacles
  return first === undefined || first.includes('could not be loaded') ? first ?? '' : `${names.join(' and ')}, loaded before the fork, ${first}`
}

/** Every file whose text is loaded. */
exports.files = () => [
  ...Object.keys(Module._cache),
  ...Array.from(esmLoader.loadCache.keys(), (key) => (typeof key === 'string' ? key : key?.url))
    .filter((url) => url?.startsWith('file:')).map((url) => require('internal/url').fileURLToPath(url)),
]

// What of it ran is compiled in the pages that all nodes share.
async function warmUp() {
  const { taken } = require('./warm_up.js')
  const until = performance.now() + WARM_UP_MS_MAX
  for (const run of taken()) for (let i = 0; i < WARM_UPS && performance.now() < until; i++) await run()
}

// Node gives out random values from stores; siblings would share what is left in them. And whoever draws bytes keeps a
// store of its own, as a rule (uuid, nanoid).
function guardRandom() {
  const { randomUUID, randomInt, randomFillSync } = require('crypto')
  const { prototype } = internalBinding('crypto').RandomBytesJob
  const { run } = prototype
  const { random } = Math
  const word = new Uint32Array(2)
  let isOurs = false, draws = 0
  prototype.run = function () {
    draws++
    if (!isOurs) note('has drawn random bytes, which all would share')
    return run.call(this)
  }
  const ours = (work) => {
    isOurs = true
    try {
      return work()
    } finally {
      isOurs = false
    }
  }
  const fill = () => {
    randomUUID()
    randomInt(1)
  }
  const drain = (draw, count) => {
    for (const before = draws; draws === before;) draw()
    for (let i = 1; i < count; i++) draw()
  }
  // V8 seeds a context once: the true one must not be called before the fork.
  let source = () => ours(() => {
    randomFillSync(word)
    return ((word[0] >>> 5) * 2 ** 26 + (word[1] >>> 6)) / 2 ** 53
  })
  const define = (value) => Object.defineProperty(Math, 'random', { value, writable: true, configurable: true, enumerable: false })
  define({ random() { return source() } }.random)
  ours(fill)
  return () => {
    ours(() => {
      drain(randomUUID, UUID_BATCH)
      drain(() => randomInt(1), INT_BATCH)
    })
    prototype.run = run
    source = random // for whoever kept ours
    define(random)
  }
}

// The streams of the zygote are not those of its nodes. Whoever only looks (is it a terminal?) gets the answer that nodes
// give; what was kept of it leads to the node's own stream.
function guardStreams() {
  let isZygote = true
  const undo = STREAMS.map((name, fd) => {
    const descriptor = Object.getOwnPropertyDescriptor(process, name)
    const stream = (key) => {
      if (isZygote && typeof key === 'string') note(`uses process.${name}`)
      return descriptor.get.call(process)
    }
    const facade = new Proxy({}, {
      get(target, key) {
        if (isZygote && (typeof key === 'symbol' || key === 'isTTY' || key === 'columns' || key === 'rows' || key === 'constructor')) return undefined
        if (key === 'fd') return fd
        const real = stream(key)
        const value = Reflect.get(real, key, real)
        return typeof value === 'function' ? value.bind(real) : value
      },
      set: (target, key, value) => Reflect.set(stream(key), key, value),
      has: (target, key) => Reflect.has(stream(String(key)), key),
      getPrototypeOf: () => Reflect.getPrototypeOf(stream('prototype')),
    })
    Object.defineProperty(process, name, { ...descriptor, get: () => facade })
    return () => Object.defineProperty(process, name, descriptor)
  })
  return () => {
    isZygote = false
    for (const each of undo) each()
    internalBinding('process_methods').resetStdioForTesting()
  }
}

function guardPid() {
  const descriptor = Object.getOwnPropertyDescriptor(process, 'pid')
  Object.defineProperty(process, 'pid', {
    configurable: true, enumerable: true,
    get() {
      note('has read process.pid')
      return descriptor.value
    },
  })
  return () => Object.defineProperty(process, 'pid', descriptor)
}
