// What goes wrong in the middle of a reload.
import assert from 'node:assert/strict'
import net from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { Load, get, programs } from './load.mjs'
import { allGone, openWeb, pidsOf, release, withLife } from './web.mjs'
import { freePort } from '../ports.mjs'

const statesOf = async (box, name) => (await box.nodesOf(name)).map((node) => node.state)
const oldOf = async (box, name) => (await box.nodesOf(name)).find((node) => node.state === 'draining')

// A reload that waits for a request which the old instance has not answered yet.
async function openWaiting(t, options = []) {
  const web = await openWeb(t, 1)
  web.slow = get(web.port, '/slow').catch((err) => err.code)
  await web.proc.until(/slow one is here/)
  web.box.setLife('second')
  web.reload = web.box.warren(['reload', web.name, ...options])
  await web.reload.until(/is replaced/)
  return web
}

test('a reload goes on when its command is killed', async (t) => {
  const { box, port, name, proc, slow, reload } = await openWaiting(t)
  const { pid } = await oldOf(box, name)
  reload.kill('SIGKILL')
  await reload.ended
  await release(box, name)
  assert.equal(await slow, 'first to the end')
  await proc.until(/first is told to stop/)
  await allGone([pid])
  assert.match(await get(port), /^second/)
  while ((await box.nodesOf(name)).length > 1); // it takes note of the end
  box.setLife('third')
  assert.equal((await box.done(['reload', name])).code, 0)
  assert.match(await get(port), /^third/)
})

test('an old instance that dies while it drains is replaced all the same', async (t) => {
  const { box, port, name, slow, reload } = await openWaiting(t)
  process.kill((await oldOf(box, name)).pid, 'SIGKILL')
  const { code, stdout } = await reload.ended
  assert.equal(code, 0)
  assert.match(stdout, /\nreloaded web: 1 instance in/)
  assert.equal(await slow, 'ECONNRESET')
  assert.match(await get(port), /^second/)
  assert.deepEqual(await statesOf(box, name), ['up'])
})

test('an old instance whose loop stands still is told, and ended when its time is over', async (t) => {
  const { box, port, name, proc } = await openWeb(t, 2, ['--grace', '200'])
  const stuck = get(port, '/stuck').catch((err) => err.code)
  await proc.until(/stuck from now on/)
  box.setLife('second')
  const { code, stdout } = await box.done(['reload', name, '--drain', '100ms'])
  assert.equal(code, 0)
  assert.match(stdout, /^web\.\d \(pid \d+\): it has not answered within the time to drain \(100 ms\), and is told to stop with what it has left: does its loop stand still\?$/m)
  assert.match(stdout, /\nreloaded web: 2 instances in/)
  assert.equal(await stuck, 'ECONNRESET')
  assert.match(await get(port), /^second/)
})

test('what has been replaced stays when a later one fails, and that is said', async (t) => {
  const { box, port, name } = await openWeb(t, 3)
  const before = await pidsOf(box, name)
  box.setLife('broken 2')
  const { code, stderr } = await box.done(['reload', name, '--parallel', '1'])
  assert.equal(code, 1)
  assert.match(stderr, /\nwarren: web is reloaded in part, 2 of 3: the new web\.2 ended before it was ready \(exit code 1\)/)
  const after = await pidsOf(box, name)
  assert.deepEqual(after.map((pid, i) => pid === before[i]), [false, false, true])
  for (let i = 0; i < 9; i++) assert.match(await get(port), /^(first|broken 2) /)
})

test('an instance that has failed is brought back', async (t) => {
  const { box, port, name, proc } = await openWeb(t, 2)
  box.setLife('broken')
  process.kill((await pidsOf(box, name))[1], 'SIGKILL')
  await proc.until(/web\.1 failed/)
  assert.deepEqual(await statesOf(box, name), ['up', 'failed'])
  box.setLife('second')
  const { code, stdout } = await box.done(['reload', name])
  assert.equal(code, 0, stdout)
  assert.deepEqual(await statesOf(box, name), ['up', 'up'])
  for (let i = 0; i < 9; i++) assert.match(await get(port), /^second/)
})

test('a connection that was upgraded is cut when the time to drain is over, and that is said', async (t) => {
  const { box, port, name } = await openWeb(t, 1)
  const socket = net.connect(port, '127.0.0.1').on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 101 /)
  const closed = once(socket, 'close')
  const { code, stdout } = await box.done(['reload', name, '--drain', '300ms'])
  assert.equal(code, 0)
  assert.match(stdout, /^web\.0 \(pid \d+\): 1 connection had not ended when the time to drain \(300 ms\) was over, and is cut$/m)
  await closed
})

test('a service of a group is reloaded alone, whatever the strategy', async (t) => {
  const group = ['--group', 'shop', '--strategy', 'one_for_all']
  const { box, port, name } = await openWeb(t, 1, group)
  const other = box.warren(['run', 'hello.js', '-i', '1', ...group, '--name', 'other', '0'], { cwd: programs })
  await other.until(/listening/)
  const before = await pidsOf(box, 'other')
  box.setLife('second')
  assert.equal((await box.done(['reload', name])).code, 0)
  assert.match(await get(port), /^second/)
  assert.deepEqual(await pidsOf(box, 'other'), before)
})

test('an agent that is killed in the middle of a reload leaves who serves, and the next one can reload again', async (t) => {
  const box = withLife(await Load.open(t))
  const port = await freePort()
  const agent = await box.agent()
  const start = box.warren(['run', '-d', 'web.js', '--ready', 'listen', String(port)], { cwd: programs })
  assert.equal((await start.ended).code, 0)
  const logs = box.warren(['logs', '-f', 'web'])
  while (!/^first/.test(await get(port).catch(() => '')));
  get(port, '/slow').catch(() => {}) // the old instance cannot end
  await logs.until(/slow one is here/)
  box.setLife('second')
  const reload = box.warren(['reload', 'web'])
  await reload.until(/is replaced/)
  await box.killAgent(agent)
  assert.equal((await reload.ended).code, 4)
  assert.match(await get(port), /^second/)
  const [{ pid }] = (await box.agent(), await box.nodesOf('web'))
  assert.equal(await get(port), `second ${pid}`)
  while ((await box.nodesOf('web')).length > 1);
  box.setLife('third')
  assert.equal((await box.done(['reload', 'web'])).code, 0)
  assert.match(await get(port), /^third/)
})
