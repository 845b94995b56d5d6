// What is packed, what is sent of it, and what lies there then.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, tree } from './sandbox.mjs'

test('what was packed lies there as it was, and the same again sends nothing', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('lib/deep/er.js', 'er\n')
  box.write('empty', '')
  box.writeNoise('assets/large.bin', 3 * (1 << 20) + 5)
  fs.chmodSync(box.write('bin/tool', '#!/bin/sh\n'), 0o755)
  fs.mkdirSync(box.path('spare'))
  fs.symlinkSync('../bin/tool', box.path('lib/tool'))
  fs.mkdirSync(box.path('.git'))
  box.write('.git/config', 'no')
  const first = await box.bundle(['--project', 'shop'])
  const wanted = tree(box.project)
  for (const name of Object.keys(wanted)) if (name.startsWith('.git')) delete wanted[name]
  assert.deepEqual(tree(first.path), wanted)
  assert.equal(fs.statSync(path.join(first.path, 'bin/tool')).mode & 0o777, 0o555)
  assert.equal(fs.statSync(path.join(first.path, 'app.js')).mode & 0o777, 0o444)
  assert.deepEqual([first.project, first.files, first.chunksSent], ['shop', 5, 4 + 3 + 1]) // of large.bin, of others, of the list
  const again = await box.bundle(['--project', 'shop'])
  assert.deepEqual([again.id, again.chunksSent, again.bytesSent], [first.id, 0, 0])
  const [listed, ...more] = await box.bundles()
  assert.deepEqual([listed.id, listed.project, listed.path, listed.files, more.length], [first.id, 'shop', first.path, 5, 0])
  assert.match((await box.ok(['bundles'])).stdout, new RegExp(`^${first.id} +shop `, 'm'))
  assert.match((await box.ok(['events', 'shop'])).stdout, new RegExp(`the release ${first.id} of shop is on this host: 5 files`))
})

test('of one changed line only its chunk and the list are sent', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  for (let i = 0; i < 300; i++) box.write(`lib/${i}.js`, `module.exports = ${i}\n`)
  box.writeNoise('large.bin', 4 << 20)
  const first = await box.bundle()
  box.write('lib/7.js', 'module.exports = "seven"\n')
  const second = await box.bundle()
  assert.notEqual(second.id, first.id)
  assert.equal(second.chunksSent, 2)
  const file = fs.openSync(box.path('large.bin'), 'r+')
  fs.writeSync(file, 'changed', 2 << 20)
  fs.closeSync(file)
  const third = await box.bundle()
  assert.equal(third.chunksSent, 2) // one MiB of four
  assert.deepEqual(tree(third.path), tree(box.project))
  assert.equal(fs.readFileSync(path.join(first.path, 'lib/7.js'), 'utf8'), 'module.exports = 7\n')
  console.log(`# figure ${first.bytesSent} bytes sent of ${first.bytes}, then ${second.bytesSent} for one changed line`)
})

test('an agent that was ended has its releases afterwards', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const { id } = await box.bundle()
  await box.killAgent(agent)
  await box.agent()
  assert.deepEqual((await box.bundles()).map(({ id: one, path: where }) => [one, where !== null]), [[id, true]])
  assert.equal((await box.bundle()).chunksSent, 0)
})

test('two directories with the same files are one release, and changed times change nothing', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('lib/a.js', 'a')
  const other = fs.mkdtempSync(path.join(box.dir, 'other-'))
  fs.mkdirSync(path.join(other, 'lib'))
  fs.writeFileSync(path.join(other, 'lib/a.js'), 'a')
  fs.copyFileSync(box.path('app.js'), path.join(other, 'app.js'))
  fs.utimesSync(path.join(other, 'app.js'), 1, 1)
  const first = await box.bundle()
  const second = await box.bundle([other])
  assert.deepEqual([second.id, second.chunksSent], [first.id, 0])
})

test('files with secrets are left out and named, unless somebody wants them', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  box.write('.env', 'KEY=1\n')
  box.write('lib/.env.production', 'KEY=2\n')
  box.write('node_modules/dotenv/.env', 'EXAMPLE=1\n')
  assert.deepEqual(await box.list(), ['app.js', 'node_modules/dotenv/.env'])
  const { stderr } = await box.ok(['bundle'])
  assert.match(stderr, /^left out: \S*\.env\S* and 1 more, for secrets are not for releases \(`warren secret set`; a line !\S+ in \.warrenignore brings it along\)$/m)
  box.write('.warrenignore', '!.env\n')
  assert.deepEqual(await box.list(), ['.env', '.warrenignore', 'app.js', 'node_modules/dotenv/.env'])
})

test('node_modules is in it whatever .gitignore says, and not when .warrenignore says so', async (t) => {
  const box = await Sandbox.open(t)
  box.write('.gitignore', 'node_modules\nbuild/\n*.log\n')
  box.write('node_modules/a/build/index.js', '')
  box.write('node_modules/a/.gitignore', 'build\n')
  box.write('build/x', '')
  box.write('lib/node_modules/b/x.log', '')
  const all = ['.gitignore', 'app.js', 'lib/node_modules/b/x.log', 'node_modules/a/.gitignore', 'node_modules/a/build/index.js']
  assert.deepEqual(await box.list(), all)
  assert.match(await box.refused(['--npm-ci', '--list'], 2), /has no package-lock\.json: --npm-ci needs one/)
  box.write('package-lock.json', '{}')
  assert.deepEqual(await box.list(['--npm-ci']), ['.gitignore', 'app.js', 'package-lock.json'])
  box.write('.warrenignore', '/node_modules\n')
  assert.deepEqual(await box.list(), ['.gitignore', '.warrenignore', 'app.js', 'build/x', 'lib/node_modules/b/x.log', 'package-lock.json'])
})

test('what cannot be in a release is named', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  fs.symlinkSync('/etc/passwd', box.path('absolute'))
  assert.match(await box.refused(), /^warren: absolute is a link to \/etc\/passwd, which is not inside of the directory .*: leave it out by a line in \.warrenignore$/m)
  fs.unlinkSync(box.path('absolute'))
  fs.symlinkSync('../../up', box.path('up'))
  assert.match(await box.refused(), /^warren: up is a link to \.\.\/\.\.\/up, which is not inside/m)
  fs.unlinkSync(box.path('up'))
  spawnSync('mkfifo', [box.path('pipe')])
  assert.match(await box.refused(), /^warren: pipe is a named pipe, which cannot be in a release: leave it out by/m)
  fs.unlinkSync(box.path('pipe'))
  const server = net.createServer().listen(box.path('socket'))
  t.after(() => server.close())
  await new Promise((resolve) => server.on('listening', resolve))
  assert.match(await box.refused(), /^warren: socket is a socket, which cannot be in a release/m)
  box.write('.warrenignore', 'socket\n')
  await box.bundle()
  assert.match(await box.refused([path.join(box.dir, 'nowhere')], 2), /^warren: cannot pack \S+nowhere: No such file or directory$/m)
  fs.mkdirSync(path.join(box.dir, 'nothing'))
  assert.match(await box.refused([path.join(box.dir, 'nothing')], 2), /^warren: there is nothing to pack in /m)
  fs.truncateSync(box.write('huge', ''), (1 << 30) + 1)
  assert.match(await box.refused(), /^warren: huge is larger than 1 GiB: leave it out/m)
  assert.match(await box.refused(['--project', 'all'], 2), /^warren: "all" cannot be the name of a project/m)
})

test('lines that cannot be read are no reason to pack what they leave out', async (t) => {
  const box = await Sandbox.open(t)
  box.write('lines', 'private\n')
  fs.symlinkSync('lines', box.path('.warrenignore'))
  assert.match(await box.refused(['--list'], 2), /^warren: \S+\.warrenignore is no ordinary file: put the file itself there$/m)
  fs.unlinkSync(box.path('.warrenignore'))
  fs.truncateSync(box.write('lib/.gitignore', ''), 2 << 20)
  assert.match(await box.refused(['--list']), /^warren: cannot read lib\/\.gitignore: File too large$/m)
})

test('the directory of the agent is not in it', async (t) => {
  const box = await Sandbox.open(t)
  box.state = box.path('state')
  box.env.WARREN_DIR = box.state
  await box.agent()
  const first = await box.bundle()
  assert.deepEqual(tree(first.path), { 'app.js': tree(first.path)['app.js'] })
})

test('what runs is kept, and what nobody needs goes when room is wanted', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const first = await box.bundle()
  await box.ok(['run', '-d', path.join(first.path, 'app.js'), '--name', 'app'])
  box.write('lib.js', '1')
  const second = await box.bundle()
  const { freed } = JSON.parse((await box.ok(['bundles', '--collect', '0', '--json'])).stdout)
  assert.ok(freed > 0)
  assert.deepEqual((await box.bundles()).map(({ id }) => id), [first.id])
  assert.ok(!fs.existsSync(second.path))
  await box.ok(['stop', 'app'])
  await box.ok(['bundles', '--collect', '0'])
  assert.deepEqual(await box.bundles(), [])
  assert.match((await box.ok(['bundles'])).stdout, /^this host has no releases/)
})
