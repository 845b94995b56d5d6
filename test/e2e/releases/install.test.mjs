// --npm-ci: no node_modules in the release, the host makes it. Packages of the project itself need no network.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

function writePackages(box) {
  const packages = {
    '': { name: 'shop', version: '1.0.0', dependencies: { dep: 'file:./dep' }, devDependencies: { dev: 'file:./dev' } },
    dep: { version: '1.0.0' }, dev: { version: '1.0.0', dev: true },
    'node_modules/dep': { resolved: 'dep', link: true }, 'node_modules/dev': { resolved: 'dev', link: true, dev: true },
  }
  const { '': root } = packages
  box.write('package.json', JSON.stringify(root))
  box.write('package-lock.json', JSON.stringify({ name: 'shop', version: '1.0.0', lockfileVersion: 3, requires: true, packages }))
  for (const name of ['dep', 'dev']) {
    box.write(`${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }))
    box.write(`${name}/index.js`, `module.exports = '${name}'`)
  }
  box.write('node_modules/stale/index.js', 'of this machine')
}

test('packages are installed on the host before the release is there', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  writePackages(box)
  const { path: where } = await box.bundle(['--npm-ci'])
  assert.deepEqual(fs.readdirSync(path.join(where, 'node_modules')).filter((name) => name[0] !== '.'), ['dep'])
  assert.equal(fs.readFileSync(path.join(where, 'node_modules/dep/index.js'), 'utf8'), "module.exports = 'dep'")
  assert.deepEqual(fs.readdirSync(path.join(box.store, 'tmp')), [])
})

test('what npm says is told when it fails, and nothing of the release is left', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  writePackages(box)
  box.write('package-lock.json', '{')
  assert.match(await box.refused(['--npm-ci']), /^warren: `npm ci` failed on this host: [^\n]*npm ci/m)
  assert.deepEqual(await box.bundles(), [])
  assert.deepEqual(fs.readdirSync(path.join(box.store, 'tmp')), [])
  writePackages(box)
  await box.bundle(['--npm-ci'])
})
