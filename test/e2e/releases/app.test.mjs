// A real application: express, and sharp, which is a native addon.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { get } from '../up/sandbox.mjs'
import { takePackage } from './packages.mjs'
import { Sandbox, tree } from './sandbox.mjs'

test('an application of express and a native addon runs from its release', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const from = path.join(process.env.COMPAT_PACKAGES, 'node_modules')
  for (const name of ['express', 'sharp']) takePackage(box, from, name)
  box.write('.gitignore', 'node_modules\n')
  const program = (greeting) => `
    const sharp = require('sharp')
    const app = require('express')()
    app.get('/', async (request, response) => {
      const image = await sharp({ create: { width: 8, height: 5, channels: 3, background: 'red' } }).png().toBuffer()
      const { width, height, format } = await sharp(image).metadata()
      response.send(\`${greeting} \${width}x\${height} \${format}\`)
    })
    const server = app.listen(0, () => console.log('serves on ' + server.address().port))\n`
  box.write('app.js', program('one'))
  const before = Date.now()
  const first = await box.bundle()
  const between = Date.now()
  box.write('app.js', program('two'))
  const second = await box.bundle()
  const after = Date.now()
  assert.equal(second.chunksSent, 2)
  assert.ok(second.bytesSent * 10 < first.bytesSent)
  assert.deepEqual(tree(second.path), tree(box.project))
  for (const [release, greeting] of [[first, 'one'], [second, 'two']]) {
    const app = box.warren(['run', path.join(release.path, 'app.js')], { cwd: release.path })
    const [, port] = await app.until(/serves on (\d+)/)
    assert.equal(await get(port), `${greeting} 8x5 png`)
    app.kill('SIGINT')
    await app.ended
  }
  console.log(`# figure ${first.files} files, ${first.bytes} bytes: ${first.bytesSent} sent in ${between - before} ms, ` +
    `after one changed line ${second.bytesSent} in ${after - between} ms`)
})
