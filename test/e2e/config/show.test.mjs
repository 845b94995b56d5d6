import assert from 'node:assert/strict'
import os from 'node:os'
import test from 'node:test'
import { Sandbox } from './sandbox.mjs'

test('every default is filled in, sizes are bytes, times milliseconds, paths absolute', async (t) => {
  const box = await Sandbox.open(t)
  box.config({
    name: 'shop',
    services: {
      api: {
        entry: './app', limits: { memory: '64M' }, stop: { grace: '3s' }, stall: { after: '2m' }, restart: { max: 9 },
        health: { ready: 'listen' }, instances: { perHost: 3 }, update: { drain: '1m' }, group: 'g', preload: './app.js',
      },
    },
  })
  const { name, dir, services: [api] } = await box.shown()
  assert.deepEqual([name, dir], ['shop', box.project])
  delete api.env
  assert.deepEqual(api, {
    name: 'api', entry: box.path('app.js'), args: [], nodeArgs: [], cwd: box.project, preload: [box.path('app.js')], instances: 3,
    scale: { kind: 'perHost', count: 3 }, ports: [],
    ready: 'listen', startTimeoutMs: 30000, health: null, restart: 'on-failure', budget: { restarts: 9, seconds: 60 }, stopSignal: 'SIGTERM', graceMs: 3000,
    stall: { afterMs: 120000, action: 'stack' }, limits: { memoryBytes: 64 << 20, cpu: null }, logs: { sizeBytes: 10 << 20, files: 5 },
    group: { name: 'g', strategy: null }, tags: {}, secrets: [],
    update: { parallel: 0, drainMs: 60000, canary: 0, promoteMs: 0, failures: 0, settleMs: 1000, deadlineMs: 60000 },
    placement: { labels: {}, spread: false, antiAffinity: [], cpu: null, memoryBytes: 64 << 20 }, disconnect: { policy: 'keep', afterMs: 0, reconcile: null },
  })
})

test('how it is asked whether it is well is complete', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: {
    a: { entry: 'app.js', health: { http: ':9000/healthz' } },
    b: { entry: 'app.js', health: { call: 'a.b.health', interval: '1m', checkTimeout: '5s', failures: 1, timeout: '2m' } },
  } })
  assert.deepEqual((await box.shown()).services.map(({ health, startTimeoutMs }) => ({ ...health, startTimeoutMs })), [
    { http: ':9000/healthz', call: null, intervalMs: 10e3, checkTimeoutMs: 2000, failures: 3, startTimeoutMs: 30e3 },
    { http: null, call: 'a.b.health', intervalMs: 60e3, checkTimeoutMs: 5000, failures: 1, startTimeoutMs: 120e3 },
  ])
})

test('what is said about hosts is complete too', async (t) => {
  const box = await Sandbox.open(t)
  const common = { entry: 'app.js', limits: { cpu: 2 } }
  box.config({
    services: {
      api: {
        ...common, instances: 4, placement: { labels: { disk: 'ssd' }, spread: 'zone', antiAffinity: ['db'], cpu: 0.5, memory: '1G' },
        disconnect: { replace: '5m' }, update: { parallel: 2, canary: 1, promote: '10m', failures: 2, settle: '30s', deadline: '5m' },
      },
      db: { ...common, instances: 'max', placement: { spread: true }, disconnect: { stopAfter: '30s' }, update: { canary: 1, promote: 'manual' } },
      bulk: { ...common, instances: { perHost: 'max' }, disconnect: { replace: 0, reconcile: 'standIn' } },
    },
  })
  const shown = (await box.shown()).services.map(({ scale, placement, disconnect, update }) => ({ scale, placement, disconnect, update }))
  const rest = { failures: 0, settleMs: 1000, deadlineMs: 60000 }
  assert.deepEqual(shown, [
    {
      scale: { kind: 'count', count: 4 },
      placement: { labels: { disk: 'ssd' }, spread: 'zone', antiAffinity: ['db'], cpu: 0.5, memoryBytes: 2 ** 30 },
      disconnect: { policy: 'replace', afterMs: 300e3, reconcile: 'original' },
      update: { parallel: 2, drainMs: 10e3, canary: 1, promoteMs: 600e3, failures: 2, settleMs: 30e3, deadlineMs: 300e3 },
    },
    {
      scale: { kind: 'max', count: null }, placement: { labels: {}, spread: true, antiAffinity: [], cpu: 2, memoryBytes: null },
      disconnect: { policy: 'stopAfter', afterMs: 30e3, reconcile: null }, update: { parallel: 0, drainMs: 10e3, canary: 1, promoteMs: 0, ...rest },
    },
    {
      scale: { kind: 'max', count: null }, placement: { labels: {}, spread: false, antiAffinity: [], cpu: 2, memoryBytes: null },
      disconnect: { policy: 'replace', afterMs: 0, reconcile: 'standIn' }, update: { parallel: 0, drainMs: 10e3, canary: 0, promoteMs: 0, ...rest },
    },
  ])
})

test('variables: env stands above envFile, that above PORT and what all services have, and each says where it is from', async (t) => {
  const box = await Sandbox.open(t)
  box.write('all.env', 'LEVEL=all-file\nONLY_ALL=1\n')
  box.write('.env', '# mine\r\nexport LEVEL = "file \\"quoted\\"\\n"\r\nURL=http://x/#y # a comment\r\nRAW=\'$A\\n\'\r\nEMPTY=\r\nMORE="two\nlines"\r\n')
  const file = box.config({
    env: { LEVEL: 'all', FLAG: true }, envFile: 'all.env',
    services: { api: { entry: 'app.js', envFile: '.env', env: { N: 1 }, ports: [8080, 8081], passEnv: ['GIVEN'] } },
  })
  const { stdout } = await box.ok(['config', 'show', '--json'], { env: { GIVEN: 'yes', KEPT_BACK: 'no' } })
  assert.deepEqual(JSON.parse(stdout).services[0].env, {
    EMPTY: { value: '', origin: `${box.path('.env')}:5` }, FLAG: { value: 'true', origin: file },
    GIVEN: { value: 'yes', origin: 'the shell' }, LEVEL: { value: 'file "quoted"\n', origin: `${box.path('.env')}:2` },
    MORE: { value: 'two\nlines', origin: `${box.path('.env')}:6` }, N: { value: '1', origin: file },
    ONLY_ALL: { value: '1', origin: `${box.path('all.env')}:2` }, PORT: { value: '8080', origin: 'services.api.ports' },
    RAW: { value: '$A\\n', origin: `${box.path('.env')}:4` }, URL: { value: 'http://x/#y', origin: `${box.path('.env')}:3` },
  })
})

test('a file of variables may be as long as it may be, line by line', async (t) => {
  const box = await Sandbox.open(t)
  box.write('long.env', `${'# c\n'.repeat((256 << 8) - 1)}A=1\n`)
  box.config({ services: { api: { entry: 'app.js', envFile: 'long.env' } } })
  assert.deepEqual((await box.service()).env.A, { value: '1', origin: `${box.path('long.env')}:65536` })
})

test('a function is called, a promise awaited, and "max" is one instance per processor', async (t) => {
  const box = await Sandbox.open(t)
  box.write('warren.config.mjs', `import { defineConfig } from 'warren'
export default defineConfig(async () => ({ services: { api: { entry: 'app.js', instances: 'max', cwd: undefined } } }))
`)
  assert.equal((await box.service()).instances, os.availableParallelism?.() ?? os.cpus().length)
})

test('people see the settings, the variables and where these are from', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ name: 'shop', services: { api: { entry: 'app.js', env: { A: 'b\u001b[31m' } } } })
  const { stdout } = await box.ok(['config', 'show'])
  assert.match(stdout, /^project shop \(warren\.config\.mjs\)\n\napi\n {2}entry +\/.*\/app\.js\n/)
  assert.match(stdout, /\n {4}A="b\\u001B\[31m" {2}\(warren\.config\.mjs\)\n/)
})
