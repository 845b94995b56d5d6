// server.listen() in a launched node behaves as in any Node.js; the port is shared behind its back.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const here = new URL('.', import.meta.url).pathname
const bin = process.env.WARREN_BIN ?? join(here, '../../../build/bin')

for (const name of ['ports', 'errors', 'closing', 'alone']) {
  test(`programs/${name}.mjs says that all is as it should be`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'warren-listen-'))
    const child = spawn(join(bin, 'warren'), ['run', join(here, `programs/${name}.mjs`)], { env: { ...process.env, WARREN_DIR: dir, NODE_OPTIONS: '' } })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (text += more))
    const [code] = await once(child, 'close')
    rmSync(dir, { recursive: true, force: true })
    assert.equal(code, 0, text)
    assert.match(text, /as it should be/)
  })
}
