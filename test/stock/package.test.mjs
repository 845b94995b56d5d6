// The package as npm installs it: what is in it, where it runs, and what it says where it cannot.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { Cluster } from '../e2e/messages/cluster.mjs'

const require = createRequire(import.meta.url)
const modules = dirname(dirname(require.resolve('warren/package.json')))
const native = `warren-${process.platform}-${process.arch}`
const dir = mkdtempSync(join(tmpdir(), 'warren-stock-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** A folder with copies of these packages installed. */
function project(name, ...packages) {
  const root = join(dir, name)
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  for (const each of packages) cpSync(join(modules, each), join(root, 'node_modules', each), { recursive: true })
  return root
}

/** What a program prints at its end, in `cwd`. */
function run(source, { cwd = dirname(modules), command = process.execPath, args = [], env = {} } = {}) {
  return new Promise((resolve) => {
    execFile(command, [...args, '-e', source], { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env } }, (err, stdout, stderr) => resolve(stdout + stderr))
  })
}
const joinAndTell = "require('warren').join({ agentPath: '/nowhere' }).catch((err) => console.log(err.code, err.message))"

test('the addon needs the C library alone, not newer than 2.33, and uses the libuv of its Node.js', () => {
  const addon = require.resolve(native)
  const needed = [...execFileSync('readelf', ['-d', addon], { encoding: 'utf8' }).matchAll(/NEEDED.*\[(.*)\]/g)].map(([, name]) => name)
  assert.deepEqual(needed.filter((name) => !name.startsWith('ld-linux')), ['libc.so.6'])
  const symbols = execFileSync('nm', ['-D', addon], { encoding: 'utf8' })
  const versions = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor))
  assert.ok(Math.max(...versions) <= 33, symbols)
  assert.match(symbols, / U uv_poll_start$/m)
  const defined = [...symbols.matchAll(/^[0-9a-f]+ \w (.*)$/gm)].map(([, name]) => name)
  assert.deepEqual(defined.sort(), ['napi_register_module_v1', 'node_api_module_get_api_version_v1'])
})

test('the packages need no script, have the version of `warren`, and the native one says for what it is', () => {
  const [pure, platform] = ['warren', native].map((name) => JSON.parse(readFileSync(join(modules, name, 'package.json'))))
  const version = execFileSync(join(process.env.WARREN_BIN, 'warren'), ['--version'], { encoding: 'utf8' })
  assert.match(version, new RegExp(`\\b${pure.version.replaceAll('.', '\\.')}\\b`))
  assert.deepEqual(pure.optionalDependencies, { [native]: pure.version })
  const { os, cpu, libc } = platform
  assert.deepEqual({ version: platform.version, os, cpu, libc }, { version: pure.version, os: [process.platform], cpu: [process.arch], libc: ['glibc'] })
  for (const { scripts, dependencies } of [pure, platform]) assert.deepEqual({ scripts, dependencies }, { scripts: undefined, dependencies: undefined })
})

test('what index.d.ts exports as a value is there for import and require, and nothing else', async () => {
  const declared = [...readFileSync(join(modules, 'warren/index.d.ts'), 'utf8').matchAll(/^export (?:declare )?(?:async )?(?:function|class|const) (\w+)/gm)]
  const names = [...new Set(declared.map(([, name]) => name))].sort()
  assert.deepEqual(Object.keys(require('warren')).sort(), names)
  const imported = Object.keys(await import('warren')).filter((name) => name !== 'default' && name !== 'module.exports')
  assert.deepEqual(imported.sort(), names)
})

test('import, require, a second copy of the package and one loaded afresh are one mesh', async () => {
  const cluster = await Cluster.start()
  const copy = project('copies', 'warren', native)
  const got = await run(`
    (async () => {
      const first = require('warren')
      const copy = require(${JSON.stringify(join(copy, 'node_modules/warren'))})
      for (const path of Object.keys(require.cache)) delete require.cache[path]
      const all = [first, copy, require('warren'), (await import('warren')).default]
      const meshes = await Promise.all(all.map(({ join }) => join()))
      console.log(new Set(all).size, new Set(meshes).size)
    })()`, { env: { WARREN_DIR: cluster.dir } })
  assert.equal(got, '1 1\n')
  await cluster.stop()
})

test('warren-node uses its own, though the package is installed, bundled or asked for by its path', async () => {
  const got = await run(`
    import('warren').then(({ join }) => {
      const own = require('warren')
      const installed = require(${JSON.stringify(join(modules, 'warren/main.js'))})
      console.log(require.resolve('warren'), join === own.join, installed === own)
    })`, { command: join(process.env.WARREN_BIN, 'warren-node') })
  assert.equal(got, 'warren true true\n')
})

test('without the native package join() says what is missing, and importing works', async () => {
  const got = await run(joinAndTell, { cwd: project('alone', 'warren') })
  assert.match(got, new RegExp(`^ERR_WARREN_NO_ADDON ${native} is not installed: .*--omit=optional`))
})

test('a native package of another version, or one that is broken, is refused with words', async () => {
  const cwd = project('mixed', 'warren', native)
  const at = (name) => join(cwd, 'node_modules', native, name)
  writeFileSync(at('warren.node'), 'no addon')
  assert.match(await run(joinAndTell, { cwd }), new RegExp(`^ERR_WARREN_NO_ADDON ${native} cannot be loaded: .*(ELF|file too short)`))
  writeFileSync(at('package.json'), JSON.stringify({ version: '9.9.9' }))
  assert.match(await run(joinAndTell, { cwd }), /^ERR_WARREN_NO_ADDON .* is of version 9\.9\.9, warren of .*: install both again/)
})

test('where there is no native package for the platform, join() says for which there is', async () => {
  const elsewhere = "Object.defineProperty(process, 'platform', { value: 'plan9' });"
  assert.match(await run(elsewhere + joinAndTell), new RegExp(`^ERR_WARREN_NO_ADDON there is no native part for plan9-${process.arch}; there is: ${native} \\(glibc\\)`))
  // As Node.js reports itself on Alpine.
  const musl = 'process.report.getReport = () => ({ header: {} });'
  const got = await run(musl + joinAndTell, { cwd: project('musl', 'warren') })
  assert.match(got, new RegExp(`^ERR_WARREN_NO_ADDON there is no native part for ${native.slice(7)} with musl; there is: ${native}`))
})

test('npm installs the package where there is no native part for the platform, and join() says so there', async () => {
  const { name, version } = JSON.parse(readFileSync(join(modules, 'warren/package.json')))
  const cwd = project('elsewhere')
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }')
  const archive = join(dirname(modules), `${name}-${version}.tgz`)
  execFileSync('npm', ['install', '--offline', '--os=darwin', '--cpu=arm64', '--no-audit', '--no-fund', archive], { cwd, stdio: 'pipe', env: { ...process.env, NODE_OPTIONS: '' } })
  const elsewhere = "Object.defineProperty(process, 'platform', { value: 'darwin' }); Object.defineProperty(process, 'arch', { value: 'arm64' });"
  assert.equal(await run(elsewhere + joinAndTell, { cwd }), `ERR_WARREN_NO_ADDON there is no native part for darwin-arm64; there is: ${native} (glibc)\n`)
})

test('a Node.js that is too old is told so', async () => {
  const old = "Object.defineProperty(process.versions, 'node', { value: '18.20.4' }); Object.defineProperty(process, 'version', { value: 'v18.20.4' });"
  assert.match(await run(`${old} try { require('warren') } catch (err) { console.log(err.message) }`), /^the package warren needs Node\.js 20 or later, and this is v18\.20\.4/)
})

test('without an agent join() says what to do', async () => {
  assert.match(await run(joinAndTell), /^ERR_WARREN_NO_AGENT no agent answers .*`warren run` starts one/)
})
