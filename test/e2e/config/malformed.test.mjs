// Files that are none: each gives sentences, in time, and never a stack trace.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import test from 'node:test'
import { loadConfig } from 'warren/config'
import { Sandbox } from './sandbox.mjs'

const load = (file) => loadConfig(file, { importFile: (url) => import(url) })

async function texts(file) {
  const { problems, project } = await load(file)
  assert.equal(project, null)
  assert.ok(problems.length > 0)
  return problems.map(({ line, column, text }) => `${line}:${column} ${text}`)
}

const GOOD = '{ "services": { "api": { "entry": "app.js" } } }'

test('JSON that is none says what is wrong with it and where', async (t) => {
  const box = await Sandbox.open(t)
  for (const [content, expected] of [
    ['', /^1:1 it is empty$/],
    ['// why\n{ "services": {} }', /^1:1 JSON has no comments/],
    ['{\n  "services": {},\n}', /^2:17 JSON has no comma before a closing bracket$/],
    ['{ "services": { "api": { "entry": "app.js" } }', /^1:\d+ unexpected token$/],
    [`${GOOD} x`, /something follows the end of the object/],
    ['\u0000\u0001\u0002', /^null:null it is no text: it has a byte 0$/],
    [Buffer.from([0x7b, 0xff, 0xfe]), /it is no text in UTF-8/],
    [`${'['.repeat(100_000)}`, /it is nested too deeply/],
    [`{ "services": { "api": { "entry": ${'['.repeat(50)}1${']'.repeat(50)} } } }`, /is nested too deeply: 16 levels are the most/],
    [`"${'x'.repeat(2 << 20)}"`, /it has 2097154 bytes: 1048576 are the most/],
    ['null', /the configuration must be an object with services, not null/],
    ['[]', /the configuration must be an object with services, not \[\]/],
    ['{ "services": {} }', /services is empty/],
    ['{ "services": { "__proto__": { "entry": "app.js" } } }', /"__proto__" must be a name/],
    [`{ "services": {${Array.from({ length: 257 }, (_, i) => `"s${i}": { "entry": "app.js" }`)}} }`, /257 entries: 256 are the most/],
    [`{ "services": { "api": { "entry": "app.js", "env": { "A": "${'x'.repeat(70_000)}" } } } }`, /env\.A must be a text of up to 32 KiB/],
  ]) {
    const [first] = await texts(box.write('warren.config.json', content))
    assert.match(first, expected)
  }
})

test('a byte order mark and line ends of Windows are no problem, and lines are counted as editors do', async (t) => {
  const box = await Sandbox.open(t)
  const { problems, project } = await load(box.write('warren.config.json', `\uFEFF${GOOD.replaceAll(' ', '\r\n')}`))
  assert.deepEqual(problems, [])
  assert.equal(project.services[0].name, 'api')
  box.write('warren.config.json', '\uFEFF{\r\n"services": {\r\n"api": { "entri": 1 } } }')
  assert.match((await texts(box.path('warren.config.json')))[1], /^3:10 services\.api has no setting "entri"/)
})

test('a module that is none says so; functions, classes and cycles have no place in a configuration', async (t) => {
  const box = await Sandbox.open(t)
  const around = (body) => `const api = { entry: 'app.js' }\n${body}\nexport default { services: { api } }\n`
  for (const [content, expected] of [
    ['export default {', /^1:17 unexpected token$/],
    ['const a = 1', /it exports no configuration/],
    ['export default 7', /the configuration must be an object with services, not 7/],
    ['throw "plain"', /it failed: it threw plain/],
    ['throw null', /it failed: it threw null/],
    ['import x from "./nowhere.mjs"\nexport default x', /it failed: Error: Cannot find module/],
    [around('api.entry = () => 1'), /services\.api\.entry is a function: a configuration is plain data/],
    [around('api.env = new Map()'), /services\.api\.env is an instance of Map/],
    [around('api.instances = NaN'), /services\.api\.instances is NaN/],
    [around('api.env = api'), /is nested too deeply/],
    [around('api.args = Array(200000).fill(1)'), /the configuration is too large: 100000 values are the most/],
    [around('Object.defineProperty(api, "env", { get() { throw new Error("no") }, enumerable: true })'), /it failed: Error: no/],
  ]) {
    const [first] = await texts(box.write(`${Math.random()}.mjs`, content))
    assert.match(first, expected)
  }
})

test('however a good file is damaged, the answer is a project or sentences', async (t) => {
  const box = await Sandbox.open(t)
  const good = JSON.stringify({
    name: 'shop', env: { A: 1 },
    services: { api: { entry: 'app.js', instances: 2, limits: { memory: '64M', cpu: 1 }, stop: { signal: 'SIGINT', grace: '1s' }, tags: { a: 'b' } } },
  }, null, 1)
  const words = ['{', '}', '[', ']', '"', ',', ':', 'null', '1e999', '-1', '\u0000', '\n', '/*', '//', '__proto__', '\\u0000', '\ud800', 'constructor', '"services"']
  let seed = 42
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
  for (let i = 0; i < 1000; i++) {
    let text = good
    for (let n = 1 + random(3); n > 0; n--) {
      const at = random(text.length)
      text = text.slice(0, at) + (random(2) ? words[random(words.length)] : '') + text.slice(at + random(6))
    }
    fs.writeFileSync(box.path('warren.config.json'), text)
    const { problems, project } = await load(box.path('warren.config.json'))
    assert.equal(project === null, problems.length > 0, text)
    for (const problem of problems) assert.match(problem.text, /^[^\n]{3,}$/, text)
  }
})
