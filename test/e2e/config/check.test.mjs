import assert from 'node:assert/strict'
import test from 'node:test'
import { Sandbox } from './sandbox.mjs'

test('a problem names file, line, column and key, and says what was probably meant', async (t) => {
  const box = await Sandbox.open(t)
  box.write('warren.config.mjs', `import { defineConfig } from 'warren'
const limits = { memmory: '64M' }
export default defineConfig({
  services: {
    api: { entry: './app.js', limits, restart: 'allways' },
  },
})
`)
  assert.deepEqual(await box.problems(), [
    'warren.config.mjs:2:18: services.api.limits has no setting "memmory": did you mean memory?',
    'warren.config.mjs:5:39: services.api.restart must be "on-failure", "always" or "never", not "allways": did you mean always?',
  ])
})

test('a setting that has another name elsewhere is recognised', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { api: { entry: 'app.js', max_memory_restart: '1G', replicas: 2 } } })
  assert.deepEqual(await box.problems(), [
    'warren.config.mjs:5:7: services.api has no setting "max_memory_restart": did you mean limits.memory?',
    'warren.config.mjs:6:7: services.api has no setting "replicas": did you mean instances?',
  ])
})

test('the name of a project that is called otherwise is recognised', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ project: 'shop', services: { api: { entry: 'app.js' } } })
  assert.deepEqual(await box.problems(), ['warren.config.mjs:2:3: the configuration has no setting "project": did you mean name?'])
})

test('a secret that nobody can set is refused where it is named', async (t) => {
  const box = await Sandbox.open(t)
  for (const name of ['NODE_X', 'WARREN_KEY', 'X'.repeat(64), '1X', 'A-B']) {
    box.config({ services: { api: { entry: 'app.js', secrets: ['GOOD', name] } } })
    assert.match((await box.problems()).join('\n'), /^warren\.config\.mjs:7:9: services\.api\.secrets\.1 must be the name of a secret .*neither NODE_\.\.\. nor WARREN_\.\.\./)
  }
  box.config({ services: { api: { entry: 'app.js', secrets: ['X'.repeat(63), '_NODE_X'] } } })
  await box.ok(['config', 'check'])
})

test('a key that is made by code has no line: the file and the key are told', async (t) => {
  const box = await Sandbox.open(t)
  box.write('warren.config.mjs', `const names = ['a', 'b']
export default { services: Object.fromEntries(names.map((name) => [name, { entry: 'app.js', instances: 0 }])) }
`)
  assert.deepEqual(await box.problems(), ['a', 'b'].map((name) =>
    `warren.config.mjs: services.${name}.instances must be a number from 1 to 1000, "max" (one per processor) or { perHost }, not 0`))
})

test('a JSON file and the field of a package.json are located as a module is', async (t) => {
  const box = await Sandbox.open(t)
  box.write('warren.config.json', '{\n  "services": {\n    "api": { "entry": "app.js", "instances": "many" }\n  }\n}\n')
  assert.match((await box.problems('warren.config.json'))[0], /^warren\.config\.json:3:33: services\.api\.instances must be/)
  box.write('x/package.json', '{\n  "name": "x",\n  "warren": { "services": { "api": { "entri": "app.js" } } }\n}\n')
  assert.deepEqual(await box.problems('x'), [
    'x/package.json:3:29: services.api has no entry',
    'x/package.json:3:38: services.api has no setting "entri": did you mean entry?',
  ])
})

test('a key that stands twice is told, though JavaScript would take the last one', async (t) => {
  const box = await Sandbox.open(t)
  box.write('warren.config.mjs', 'export default { services: {\n  api: { entry: "app.js" },\n  api: { entry: "app.js" },\n} }\n')
  assert.deepEqual(await box.problems(), ['warren.config.mjs:3:3: services.api is said twice'])
})

test('what the values mean is judged too: files, signals, ports, groups, times', async (t) => {
  const box = await Sandbox.open(t)
  box.config({
    services: {
      a: { entry: 'ap.js', ports: [80], stop: { signal: 'SIGTRM' }, group: { name: 'g', strategy: 'one_for_all' } },
      b: { entry: 'app.js', ports: [80], health: { timeout: '3s' }, group: { name: 'g', strategy: 'one_for_one' } },
      c: { entry: 'app.js', limits: { memory: '1M' }, stall: { after: '10ms' }, envFile: 'no.env', passEnv: ['NOBODY_HAS_THIS'] },
    },
  })
  const texts = (await box.problems()).map((line) => line.replace(/^\S+ /, ''))
  for (const expected of [
    /^services\.a\.entry is no file: .*ap\.js: did you mean app\.js\?$/, /^services\.a\.stop\.signal must be .*: did you mean SIGTERM\?$/,
    /^services\.b\.health\.timeout waits for a sign/, /^services\.c\.limits\.memory must be from 33554432/,
    /^services\.c\.stall\.after must be from 1000 ms/, /^services\.c\.envFile: .*no\.env cannot be read: there is no such file$/,
    /^services\.c\.passEnv: the shell has no variable NOBODY_HAS_THIS$/, /^services\.b\.ports: 80 is a port of a already$/,
    /^services\.b\.group: g is one_for_all already, because of a$/,
  ]) assert.equal(texts.filter((text) => expected.test(text)).length, 1, `${expected} in\n${texts.join('\n')}`)
})

test('how a service is asked whether it is well is judged', async (t) => {
  const box = await Sandbox.open(t)
  for (const [health, text] of [
    [{ http: 'healthz' }, /health\.http must be a path like "\/healthz", or ":9000\/healthz", not "healthz"$/],
    [{ call: 'health' }, /health\.call must be a method like "api\.health", not "health"$/],
    [{ http: '/', intervall: '1s' }, /health has no setting "intervall": did you mean interval\?$/],
    [{ http: '/', interval: '10ms' }, /health\.interval must be from 100 ms to 3600000 ms, not 10 ms$/],
    [{ http: '/', failures: 0 }, /health\.failures must be a number of failures from 1 to 100, not 0$/],
    [{ ready: 'listen', failures: 5 }, /health\.failures is about checks: health\.http or health\.call says which$/],
    [{ timeout: '5s' }, /health\.timeout waits for a sign of the program: .*, or there must be health\.http or health\.call$/],
  ]) {
    box.config({ services: { a: { entry: 'app.js', health } } })
    assert.match((await box.problems()).join('\n'), text)
  }
})

test('a service that is too long for the agent is a problem, as it is for `up`', async (t) => {
  const box = await Sandbox.open(t)
  const args = Array.from({ length: 5 }, () => 'x'.repeat(30000))
  box.config({ services: { api: { entry: 'app.js', args }, app: { entry: 'app.js' } } })
  const problem = 'warren.config.mjs: services.api: arguments and variables are too long together: 120 KiB and 4096 words of each fit'
  assert.deepEqual(await box.problems(), [problem])
  const { stdout } = await box.done(['config', 'check', '--json'])
  assert.deepEqual([JSON.parse(stdout).ok, JSON.parse(stdout).problems[0].key], [false, 'services.api'])
  const up = await box.done(['up', '-d'])
  assert.deepEqual([up.code, up.stderr], [2, `${problem}\n`])
  assert.equal((await box.done(['ps'])).code, 4) // no agent was started for it
})

test('what is said about hosts is judged: what goes together, how much, and names that are meant', async (t) => {
  const box = await Sandbox.open(t)
  box.config({
    services: {
      a: { entry: 'app.js', placement: { antiAffinity: ['a'], spred: true }, disconnect: { stopAfter: '1s', reconcil: 'original' } },
    },
  })
  assert.deepEqual(await box.problems(), [
    'warren.config.mjs:9:9: services.a.placement has no setting "spred": did you mean spread?',
    'warren.config.mjs:13:9: services.a.disconnect has no setting "reconcil": did you mean reconcile?',
  ])
  box.config({
    services: {
      a: { entry: 'app.js', placement: { antiAffinity: ['a'] }, disconnect: { replace: '5m', stopAfter: '30s' }, update: { promote: '5m' } },
      b: { entry: 'app.js', instances: 2, disconnect: { stopAfter: '30s', reconcile: 'longest' }, update: { canary: 3 } },
      c: { entry: 'app.js', disconnect: {}, update: { settle: '2h' }, placement: { memory: '2000000G' } },
    },
  })
  assert.deepEqual((await box.problems()).map((line) => line.replace(/^\S+ /, '')), [
    'services.a.update.promote is about canaries: update.canary says how many there are',
    'services.a.placement.antiAffinity names the service itself: placement.spread is what keeps its own instances apart',
    'services.a.disconnect says either how soon others stand in ({ replace: "5m" }) or when the host ends them ({ stopAfter: "30s" })',
    'services.b.update.canary is more than the 2 instances of the service',
    'services.b.disconnect.reconcile is about stand-ins: with stopAfter there is never one',
    'services.c.update.settle must be from 1 ms to 3600000 ms, not 7200000 ms',
    'services.c.placement.memory must be from 0 to 1125899906842624 bytes, not 2147483648000000',
    'services.c.disconnect says either how soon others stand in ({ replace: "5m" }) or when the host ends them ({ stopAfter: "30s" })',
  ])
  for (const [settings, text] of [
    [{ disconnect: 'kep' }, /disconnect must be "keep", .*, not "kep": did you mean keep\?$/],
    [{ disconnect: { replace: '5m', reconcile: 'standin' } }, /reconcile must be .*: did you mean standIn\?$/],
    [{ update: { canary: 1, promote: 'auto' } }, /promote must be "manual", or a time like "10m" .*, not "auto"$/],
    [{ placement: { labels: { 'a=b': 'c' } } }, /labels: "a=b" must be 1 to 63 letters/],
    [{ placement: { spread: 'ü' } }, /spread must be .*, not "ü"$/],
    [{ instances: { perHost: 0 } }, /instances\.perHost must be a number from 1 to 1000, or "max", not 0$/],
  ]) {
    box.config({ services: { a: { entry: 'app.js', ...settings } } })
    assert.match((await box.problems()).join('\n'), text)
  }
})

test('apart from a service that is in no place of this file is allowed, with the one that was probably meant', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { api: { entry: 'app.js', placement: { antiAffinity: ['dbb'] } }, db: { entry: 'app.js' } } })
  assert.equal((await box.ok(['config', 'check'])).stdout,
    'warren.config.mjs:6:9: warning: services.api.placement.antiAffinity: no service of this file is called dbb: did you mean db?\n' +
    'warren.config.mjs: 2 services, no problem\n')
})

test('--json has the same, and the exit code is 2 when there is a problem', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { api: { entry: 'app.js', instances: -1 } } })
  const { code, stdout } = await box.done(['config', 'check', '--json'])
  const { ok, problems: [problem] } = JSON.parse(stdout)
  assert.deepEqual([code, ok, problem.file, problem.line, problem.column, problem.key],
    [2, false, box.path('warren.config.mjs'), 5, 7, 'services.api.instances'])
  box.config({ services: { api: { entry: 'app.js' } } })
  assert.equal(JSON.parse((await box.ok(['config', 'check', '--json'])).stdout).ok, true)
})

test('a file that prints, loops or ends its process is no harm', async (t) => {
  const box = await Sandbox.open(t)
  box.write('prints.mjs', 'console.log("hello"); process.stdout.write("there"); export default { services: { api: { entry: "app.js" } } }')
  const shown = await box.ok(['config', 'show', '--json', 'prints.mjs'])
  assert.equal(JSON.parse(shown.stdout).services[0].name, 'api')
  for (const [body, text, ...options] of [
    ['for (;;);', /loops\.mjs has not given its configuration within 500 ms/, '--timeout', '500ms'],
    ['await new Promise(() => setInterval(() => {}, 1000))', /has not given its configuration within 500 ms/, '--timeout=500ms'],
    ['process.exit(7)', /its process ended with exit code 7/],
    ['process.kill(process.pid, "SIGKILL")', /ended by signal 9/],
  ]) {
    box.write('loops.mjs', `${body}\nexport default {}\n`)
    const { code, stdout, stderr } = await box.done(['config', 'check', 'loops.mjs', ...options])
    assert.deepEqual([code, stdout], [2, ''], body)
    assert.match(stderr, text)
  }
})

test('an error that the file throws is told with its line', async (t) => {
  const box = await Sandbox.open(t)
  box.write('warren.config.cjs', '\nconst x = 1\nx.y.z()\nmodule.exports = {}\n')
  assert.deepEqual(await box.problems(), ["warren.config.cjs:3:5: it failed: TypeError: Cannot read properties of undefined (reading 'z')"])
})

test('without a file the nearest one upwards is taken; with two in one directory it is asked which', async (t) => {
  const box = await Sandbox.open(t)
  box.config({ services: { api: { entry: 'app.js' } } })
  box.write('deep/down/x.js', '')
  const { stdout } = await box.ok(['config', 'check', '--json'], { cwd: box.path('deep/down') })
  assert.equal(JSON.parse(stdout).file, box.path('warren.config.mjs'))
  box.write('warren.config.json', '{}')
  assert.match((await box.problems())[0], /has warren\.config\.mjs and warren\.config\.json: which one is it\?$/)
})

test('bad words are told with exit code 2', async (t) => {
  const box = await Sandbox.open(t)
  for (const [args, text] of [
    [[], /config what\?/], [['chekc'], /did you mean check\?/], [['check', 'a', 'b'], /one too many/],
    [['show', '--force'], /--output and --force are for/], [['check', 'nowhere.mjs'], /^warren: there is no file .*nowhere\.mjs/],
    [['show', 'nowhere.mjs'], /^warren: there is no file .*nowhere\.mjs/], [['check'], /^warren: there is no warren\.config\.mjs /],
  ]) {
    const { code, stdout, stderr } = await box.done(['config', ...args])
    assert.equal(code, 2)
    assert.match(stdout + stderr, text)
  }
})
