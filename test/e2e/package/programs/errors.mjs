// What goes wrong is told as Node tells it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import net from 'node:net'

const first = net.createServer().listen(0, '127.0.0.1')
await once(first, 'listening')
const { port } = first.address()

// What stock Node says: the same program without an agent's help.
async function plain(args) {
  const source = `require('net').createServer().on('error', (e) => console.log(JSON.stringify({ ...e, message: e.message }))).listen(...${JSON.stringify(args)})`
  const child = spawn(process.execPath, ['-e', source], { env: { ...process.env, NODE_OPTIONS: '' } })
  const [text] = await once(child.stdout, 'data')
  return JSON.parse(text)
}

for (const args of [[port, '127.0.0.1'], [{ port, host: '127.0.0.1' }], [1, '192.0.2.1']]) {
  const server = net.createServer().listen(...args)
  const [err] = await once(server, 'error')
  assert.deepEqual({ ...err, message: err.message }, await plain(args))
  assert.ok(err instanceof Error)
  assert.equal(server.listening, false)
  assert.equal(server.address(), null)
}
first.close()

// Twice in one process: the second is refused, until the first is closed.
const one = net.createServer().listen(port)
await once(one, 'listening')
const two = net.createServer().listen(port)
assert.equal((await once(two, 'error'))[0].code, 'EADDRINUSE')
await new Promise((resolve) => one.close(resolve))
two.listen(port)
await once(two, 'listening')
two.close()

// Without a listener, an error is uncaught.
const squatter = net.createServer().listen(0, '127.0.0.1')
await once(squatter, 'listening')
process.once('uncaughtException', (err) => {
  assert.equal(err.code, 'EADDRINUSE')
  squatter.close()
  console.log('as it should be')
})
net.createServer().listen(squatter.address().port, '127.0.0.1')
