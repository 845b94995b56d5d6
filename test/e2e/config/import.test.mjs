import assert from 'node:assert/strict'
import fs from 'node:fs'
import test from 'node:test'
import { Sandbox } from './sandbox.mjs'

const ECOSYSTEM = `module.exports = {
  apps: [
    {
      name: 'API server',
      script: './app.js',
      instances: 'max',
      exec_mode: 'cluster',
      args: '--port 80 "two words"',
      node_args: ['--max-old-space-size=300'],
      watch: true,
      max_memory_restart: '300M',
      kill_timeout: 3000,
      wait_ready: true,
      listen_timeout: 10000,
      max_restarts: 10,
      error_file: 'err.log',
      env: { NODE_ENV: 'development', SHARED: 1 },
      env_production: { NODE_ENV: 'production' },
    },
    { script: 'worker.js', cwd: './jobs', autorestart: false, instances: 2, instanses: 3 },
  ],
  deploy: { production: { host: 'x' } },
}
`

async function open(t) {
  const box = await Sandbox.open(t)
  box.write('jobs/worker.js', '')
  box.write('ecosystem.config.js', ECOSYSTEM)
  return box
}

test('an ecosystem file of PM2 is read as it is', async (t) => {
  const box = await open(t)
  const [api, worker] = (await box.shown('ecosystem.config.js', '--env', 'production')).services
  assert.deepEqual(
    [api.name, api.args, api.nodeArgs, api.limits.memoryBytes, api.graceMs, api.ready, api.startTimeoutMs, api.restart, api.budget.restarts],
    ['API-server', ['--port', '80', 'two words'], ['--max-old-space-size=300'], 300 << 20, 3000, 'message', 10000, 'always', 10])
  assert.deepEqual(Object.entries(api.env).map(([name, { value }]) => `${name}=${value}`), ['NODE_ENV=production', 'SHARED=1'])
  assert.deepEqual([worker.name, worker.entry, worker.cwd, worker.restart, worker.instances],
    ['worker', box.path('jobs/worker.js'), box.path('jobs'), 'never', 2])
})

test('what PM2 has and Warren has not is told with the reason, and where it stands', async (t) => {
  const box = await open(t)
  const { stdout } = await box.ok(['config', 'check'])
  const warnings = stdout.split('\n').filter((line) => line.includes('warning: ')).map((line) => line.replace(/^ecosystem\.config\.js:/, ''))
  assert.deepEqual(warnings, [
    '4:7: warning: apps.0.name: "API server" cannot be a name here, or is one already: it is called API-server',
    '10:7: warning: apps.0.watch has no counterpart: services do not watch their files: `warren reload` brings new code',
    '16:7: warning: apps.0.error_file has no counterpart: Warren keeps the output of each service itself (`warren logs`)',
    '20:77: warning: apps.1.instanses is no option that Warren knows of PM2: did you mean instances?',
    '22:3: warning: deploy has no counterpart: programs are not fetched from a repository',
  ])
})

test('--env with a name that no application has is an error, and with one that some have a warning for the others', async (t) => {
  const box = await open(t)
  assert.match((await box.done(['config', 'show', '--env', 'production'])).stderr, /ecosystem\.config\.js:20:5: warning: apps\.1 has no env_production: it runs with env alone\n/)
  const { code, stderr } = await box.done(['config', 'show', '--env', 'prodution'])
  assert.equal(code, 2)
  assert.match(stderr, /^ecosystem\.config\.js:2:3: --env prodution: no application has env_prodution \(there are production\): did you mean production\?$/m)
  assert.equal((await box.done(['up', '-d', '--env', 'prodution'])).code, 2)
})

test('a program with another user or interpreter is not brought up: it would be another one', async (t) => {
  const box = await Sandbox.open(t)
  box.write('job.sh', 'exit\n')
  box.write('ecosystem.config.js', `module.exports = { apps: [
  { script: 'app.js', interpreter: 'node', uid: '' },
  { script: 'app.js', name: 'low', uid: 'www-data', gid: 33 },
  { script: 'job.sh', interpreter: '/bin/bash' },
] }\n`)
  const refusals = [
    '3:36: apps.1.uid has no counterpart, and `warren up` refuses it: it would run with the rights of the agent',
    '3:53: apps.1.gid has no counterpart, and `warren up` refuses it: it would run with the rights of the agent',
    '4:23: apps.2.interpreter has no counterpart, and `warren up` refuses it: its script would be run as JavaScript, not by "/bin/bash"',
  ].map((line) => `ecosystem.config.js:${line}\n`).join('')
  const check = await box.done(['config', 'check'])
  assert.deepEqual([check.code, check.stdout], [2, refusals])
  assert.match((await box.ok(['config', 'show'])).stderr, /^ecosystem\.config\.js:3:36: warning: apps\.1\.uid /)
  const up = await box.done(['up', '-d'])
  assert.deepEqual([up.code, up.stderr], [2, `${refusals}warren: what is not carried out would be left out: take it out of the file to go on without it\n`])
})

test('a wrong value in it is told where it stands there', async (t) => {
  const box = await Sandbox.open(t)
  box.write('ecosystem.config.js', 'module.exports = {\n  apps: [{\n    script: "app.js",\n    max_memory_restart: "lots",\n  }],\n}\n')
  assert.match((await box.problems())[0], /^ecosystem\.config\.js:4:5: services\.app\.limits\.memory must be a number of bytes, or a size/)
})

test('import writes a warren.config.mjs that says the same, and never over another one', async (t) => {
  const box = await open(t)
  const before = (await box.shown('ecosystem.config.js')).services
  const { stdout, stderr } = await box.ok(['config', 'import', 'ecosystem.config.js'])
  assert.equal(stdout, 'wrote warren.config.mjs\n')
  assert.match(stderr, /apps\.0\.watch has no counterpart/)
  const after = (await box.shown()).services
  const values = (services) => services.map(({ env, ...rest }) => ({ ...rest, env: Object.entries(env).map(([name, { value }]) => [name, value]) }))
  assert.deepEqual(values(after), values(before))

  fs.writeFileSync(box.path('warren.config.mjs'), '// mine\n')
  const again = await box.done(['config', 'import', 'ecosystem.config.js'])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /warren\.config\.mjs is there already: --force/)
  assert.equal(fs.readFileSync(box.path('warren.config.mjs'), 'utf8'), '// mine\n')
  await box.ok(['config', 'import', 'ecosystem.config.js', '--force'])
})

test('the shapes that PM2 takes: a list alone, one application alone, a JSON file', async (t) => {
  const box = await Sandbox.open(t)
  box.write('ecosystem.config.cjs', 'module.exports = [{ script: "app.js" }, { script: "app.js" }]')
  assert.deepEqual((await box.shown('ecosystem.config.cjs')).services.map(({ name }) => name), ['app', 'app-2'])
  box.write('ecosystem.config.json', '{ "apps": { "script": "app.js", "instances": 0 } }')
  assert.ok((await box.service('ecosystem.config.json')).instances >= 1)
  box.write('ecosystem.config.mjs', 'export default { apps: 3 }')
  assert.match((await box.problems('ecosystem.config.mjs'))[0], /apps must be a list of applications/)
})
