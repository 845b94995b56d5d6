// Programs that end only when V8's platform does all it has to. The first argument is the name of one.
'use strict'
const fs = require('fs')
const v8 = require('v8')
const { Worker } = require('worker_threads')
const { setTimeout: sleep } = require('timers/promises')

const say = (value) => console.log(JSON.stringify(value))
const threadNames = () => fs.readdirSync('/proc/self/task').map((id) => fs.readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim())

const programs = {
  // Optimised code stays "in the queue" for ever when nobody compiles it: bit 4 is set for what TurboFan has compiled.
  optimises() {
    v8.setFlagsFromString('--allow-natives-syntax')
    const { hot, statusOf } = new Function(`
      function hot(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i % 3; return sum }
      return { hot, statusOf: () => %GetOptimizationStatus(hot) }`)()
    const until = Date.now() + 30_000
    let isOptimised = false
    while (!isOptimised && Date.now() < until) {
      hot(1000)
      isOptimised = (statusOf() & 16) !== 0
    }
    say({ isOptimised, threads: threadNames() })
  },
  marks() {
    v8.setFlagsFromString('--trace-gc-nvp')
    const kept = []
    const until = Date.now() + 30_000
    let marked = 0
    // Until collections were due some times: V8 prints them itself.
    const { PerformanceObserver, constants } = require('perf_hooks')
    new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) marked++
    }).observe({ entryTypes: ['gc'] })
    const more = () => {
      for (let i = 0; i < 50_000; i++) kept.push({ i, text: `x${i}` })
      if (kept.length > 1_500_000) kept.length = 500_000
      if (marked < 3 && Date.now() < until) setImmediate(more)
    }
    more()
  },
  async waits() {
    const shared = new Int32Array(new SharedArrayBuffer(8))
    const code = `const { workerData } = require('worker_threads'); Atomics.store(workerData, 0, 42); Atomics.notify(workerData, 0)`
    new Worker(code, { eval: true, workerData: shared })
    // Who stores before it waits finds another value.
    const woken = Atomics.wait(shared, 0, 0)
    say({ woken: woken === 'not-equal' ? 'ok' : woken, value: Atomics.load(shared, 0), late: Atomics.wait(shared, 1, 0, 5) })
  },
  async waitsAsync() {
    const { value } = Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    const alive = setTimeout(() => {}, 30_000) // the promise alone does not keep a process
    say({ result: await value })
    clearTimeout(alive)
  },
  async finalizes() {
    v8.setFlagsFromString('--expose-gc')
    const collect = require('vm').runInNewContext('gc')
    let held
    const registry = new FinalizationRegistry((value) => { held = value })
    ;(() => registry.register({}, 'gone'))()
    for (const until = Date.now() + 30_000; held === undefined && Date.now() < until; await sleep(1)) collect()
    say({ held })
  },
  async works() {
    const code = `
      const { parentPort, workerData } = require('worker_threads')
      let sum = 0
      for (let i = 0; i < 1000; i++) sum += i
      Atomics.add(workerData.total, 0, sum)
      parentPort.postMessage(sum)
      if (workerData.index === 3) process.exit(3)`
    const total = new Int32Array(new SharedArrayBuffer(4))
    const codes = await Promise.all([0, 1, 2, 3].map((index) => new Promise((resolve, reject) => {
      new Worker(code, { eval: true, workerData: { total, index } }).on('exit', resolve).on('error', reject)
    })))
    say({ sum: total[0], codes })
  },
  // A factorial, compiled by Liftoff first and then, hot, by TurboFan on another thread.
  async compilesWasm() {
    const bytes = Uint8Array.from([
      0, 97, 115, 109, 1, 0, 0, 0, // "\0asm", version 1
      1, 6, 1, 96, 1, 127, 1, 127, // one type: (i32) -> i32
      3, 2, 1, 0, // one function of it
      7, 5, 1, 1, 102, 0, 0, // exported as "f"
      10, 23, 1, 21, 0, 32, 0, 69, 4, 127, 65, 1, 5, 32, 0, 32, 0, 65, 1, 107, 16, 0, 108, 11, 11, // n == 0 ? 1 : n * f(n - 1)
    ])
    v8.setFlagsFromString('--allow-natives-syntax')
    v8.setFlagsFromString('--wasm-dynamic-tiering')
    const { instance } = await WebAssembly.instantiate(bytes)
    const { f } = instance.exports
    const isLiftoff = new Function('f', 'return %IsLiftoffFunction(f)')
    const answers = [f(5), f(10)]
    let tiers = false
    for (const until = Date.now() + 30_000; !tiers && Date.now() < until; await sleep(1)) {
      for (let i = 0; i < 10_000; i++) f(12)
      tiers = !isLiftoff(f)
    }
    say({ answers, tiers })
  },
  async traces(dir, end) {
    process.chdir(dir)
    require('trace_events').createTracing({ categories: ['node.console'] }).enable()
    console.count('sheep')
    if (end === 'exits') process.exit()
  },
}
Promise.resolve(programs[process.argv[2]](...process.argv.slice(3))).catch((err) => {
  console.error(err)
  process.exitCode = 1
})
