// What the engine runs around programs. A builtin module of Node like its neighbours; it and rehearsal_programs.js
// alone use Node's own internals (`internalBinding`, require('internal/...')).
'use strict'
/* global internalBinding */

const path = require('path')

// Loaded once by the zygote, shared by all its children. None may draw a random number, start a thread or read
// the environment while it loads: the children would all have the zygote's.
const SHARED = [
  'assert', 'async_hooks', 'buffer', 'child_process', 'cluster', 'crypto', 'dgram', 'diagnostics_channel', 'dns',
  'dns/promises', 'events', 'fs', 'fs/promises', 'http', 'http2', 'https', 'module', 'net', 'os', 'path', 'perf_hooks',
  'querystring', 'readline', 'stream', 'stream/promises', 'string_decoder', 'timers', 'timers/promises', 'tls', 'tty',
  'url', 'util', 'v8', 'vm', 'worker_threads', 'zlib',
  'internal/blob', 'internal/crypto/webcrypto', 'internal/encoding', 'internal/fs/streams', 'internal/fs/sync_write_stream',
  'internal/modules/run_main', 'internal/process/esm_loader', ...[
    'resolve', 'load', 'module_job', 'module_map', 'translators', 'handle_process_exit', // Node's own order
  ].map((name) => `internal/modules/esm/${name}`),
]

const REHEARSALS = 30

// In the zygote, before any fork: loads what children share.
exports.load = () => {
  const { BuiltinModule } = require('internal/bootstrap/realm')
  for (const id of SHARED) if (BuiltinModule.exists(id)) require(id)
  require('./index.js')
  require('./native.js').native()
  require('./listen.js').install()
  require('./parent_send.js')
  require('./health.js')
  makeResolverLazy()
  readModulesAtOnce()
  openInspectorOnSignal()
}

// Code that has run is compiled, and linked to the shapes of the objects it met, in the pages all children share. After
// about thirty times V8 has nothing left to compile or to link on the way of a usual program. It would forget those shapes
// in a full collection: none may follow. What is run here leaves nothing behind that a program could see.
exports.rehearse = () => {
  if (process.hasUncaughtExceptionCaptureCallback()) return // a module that was loaded before has one of its own
  const mesh = require('./rehearsal.js')
  const { open, settle } = require('./rehearsal_programs.js')
  const programs = open((args) => exports.start(args, process.cwd(), process.pid, Date.now()))
  process.setUncaughtExceptionCaptureCallback(() => {}) // a program that fails here is one rehearsed less
  const { rehearse } = require('./inherited.js')
  rehearse(true)
  for (let i = 0; i < REHEARSALS; i++) {
    programs?.play()
    mesh.rehearse()
    settle()
  }
  process.setUncaughtExceptionCaptureCallback(null)
  programs?.forget()
  rehearse(false)
}

// For a zygote of a service's own, after load(): see preload.js.
exports.preload = (modules, args) => {
  require('./warm_up.js').open()
  return require('./preload.js').load(modules, args)
}
exports.preloaded = () => require('./preload.js').files()

// The way of a first request, over real sockets: needs the loop, so it is a promise.
exports.serve = () => require('./rehearsal_http.js').rehearse(REHEARSALS)

// Node reads the sources of ES modules on libuv's threads: four, with their stacks, for a few kilobytes. CommonJS never did.
// What cannot be read Node shall try itself, and say so in its own way.
function readModulesAtOnce() {
  const { readFileSync } = require('fs')
  const loading = require('internal/modules/esm/load')
  const { URL } = require('internal/url')
  const { defaultLoad } = loading
  loading.defaultLoad = (url, context) => {
    if (context?.format === 'module' && context.source == null && url.startsWith('file:')) {
      try {
        context = { ...context, source: readFileSync(new URL(url)) }
      } catch { /* said by the next line */ }
    }
    return defaultLoad(url, context)
  }
}

// A c-ares channel holds the seed of its query ids and what resolv.conf said: each process opens its own at first use.
function makeResolverLazy() {
  const { ChannelWrap } = internalBinding('cares_wrap')
  const resolver = require('internal/dns/utils').getDefaultResolver()
  const define = (descriptor) =>
    Object.defineProperty(resolver, '_handle', { configurable: true, enumerable: true, ...descriptor })
  define({
    get() {
      const handle = new ChannelWrap(-1, 4) // timeout and tries as Node's own
      define({ value: handle, writable: true })
      return handle
    },
    set(handle) { define({ value: handle, writable: true }) },
  })
}

// In a forked node: what Node computes at boot and keeps, computed again; then the program.
exports.start = (args, cwd, pid, nowMs) => {
  Object.defineProperty(process, 'pid', { value: pid })
  process.argv.push(...args)
  process.chdir(cwd) // process.cwd() remembers
  require('module')._initPaths() // from HOME and NODE_PATH
  resetTimes(nowMs)
  prepareMain()
  require('module').runMain(process.argv[1]) // and not runMain(), so that stack traces are as long as Node's
}

// In a node that an agent started cold; `modules`: to load before the program.
exports.startCold = (modules) => {
  if (modules.length > 0) return require('./preload.js').loadAll(modules, runMain)
  prepareMain()
  require('module').runMain(process.argv[1]) // and not runMain(), so that stack traces are as long as Node's
}

function runMain() {
  prepareMain()
  require('module').runMain(process.argv[1])
}

function prepareMain() {
  require('./listen.js').install()
  require('./parent_send.js').install()
  require('./health.js').install()
  process.argv[1] = path.resolve(process.argv[1])
}

function resetTimes(nowMs) {
  const { milestones, constants } = internalBinding('performance')
  const now = process.hrtime()
  const nowNs = now[0] * 1e9 + now[1]
  for (const name of ['NODE_START', 'V8_START', 'ENVIRONMENT', 'BOOTSTRAP_COMPLETE']) {
    milestones[constants[`NODE_PERFORMANCE_MILESTONE_${name}`]] = nowNs
  }
  require('internal/perf/utils').refreshTimeOrigin()
  Object.defineProperty(require('perf_hooks').Performance.prototype, 'timeOrigin', { value: nowMs })
}

// As Node does, but without a thread that waits for the signal, and only while the program itself does not.
function openInspectorOnSignal() {
  const { Signal } = internalBinding('signal_wrap')
  const { SIGUSR1 } = internalBinding('constants').os.signals
  const signal = new Signal()
  signal.unref()
  signal.onsignal = () => {
    if (process.listenerCount('SIGUSR1') === 0) require('inspector').open()
  }
  signal.start(SIGUSR1)
}
