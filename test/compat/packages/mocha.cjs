// mocha: suites, hooks, async tests, failures with diffs, time-outs, retries and skips; by its command and its API, also in parallel
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const at = (name) => path.join(os.tmpdir(), name)
fs.writeFileSync(at('one.spec.cjs'), `
const assert = require('assert')
describe('a suite', function () {
  const order = []
  before(() => order.push('before')); beforeEach(() => order.push('each')); after(() => console.log(order.join()))
  it('passes', () => assert.equal(1, 1))
  it('waits', async () => { await new Promise((resolve) => setTimeout(resolve, 5)) })
  it('calls back', (done) => setImmediate(done))
  it('differs', () => assert.deepEqual({ a: 1, b: [1, 2] }, { a: 1, b: [1, 3] }))
  it('is late', function (done) { this.timeout(10) })
  it('rejects', () => Promise.reject(new TypeError('rejected')))
  it.skip('is skipped', () => {})
  it('is pending')
  let tries = 0
  it('is tried again', function () { this.retries(2); assert.equal(++tries, 2) })
})`)
fs.writeFileSync(at('two.spec.mjs'), `import assert from 'node:assert'
describe('an ES module', () => { it('is loaded', () => assert.ok(import.meta.url)) })`)
const run = (...args) => { const { stdout, status } = spawnSync(process.execPath, [require.resolve('mocha/bin/mocha.js'), '--no-color', ...args], { encoding: 'utf8', cwd: os.tmpdir() }); return { stdout, status } }
const json = run('--reporter', 'json', at('one.spec.cjs'), at('two.spec.mjs'))
const report = JSON.parse(json.stdout.slice(json.stdout.indexOf('{')))
const { passes, pending, failures, tests, suites } = report.stats
console.log(json.status, passes, pending, failures, tests, suites, report.failures.map(({ title, err }) => `${title}: ${err.message.split('\n')[0]}`))
const spec = run(at('one.spec.cjs'), at('two.spec.mjs')).stdout.replace(/\(\d+m?s\)/g, '').replace(/^ +at .*\n/gm, '')
console.log(spec.split('\n').map((line) => line.trimEnd()).join('\n'))
console.log(run('--parallel', '--jobs', '2', '--reporter', 'dot', at('two.spec.mjs')).status, run(at('none.spec.cjs')).status)
const Mocha = require('mocha')
const mocha = new Mocha({ reporter: class { constructor(runner) { runner.on('pass', (test) => console.log('pass', test.fullTitle())).on('fail', (test, err) => console.log('fail', test.title, err.message)) } } })
const suite = Mocha.Suite.create(mocha.suite, 'by the API')
suite.addTest(new Mocha.Test('good', () => {}))
suite.addTest(new Mocha.Test('bad', () => { throw new Error('bad') }))
mocha.run((count) => console.log(count))
