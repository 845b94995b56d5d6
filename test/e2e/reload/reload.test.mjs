// What `warren reload` replaces, what it leaves, and what it says.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import path from 'node:path'
import { once } from 'node:events'
import { test } from 'node:test'
import { Load, get } from './load.mjs'
import { allGone, openWeb, pidsOf, release } from './web.mjs'
import { freePort } from '../ports.mjs'

const lines = (text) => text.trimEnd().split('\n').map((line) => JSON.parse(line))

test('new instances run the program as it is on the disk now', async (t) => {
  const { box, port, name } = await openWeb(t, 1)
  assert.match(await get(port), /^first/)
  box.setLife('second')
  const { code, stdout } = await box.done(['reload', name])
  assert.equal(code, 0)
  assert.match(stdout, /^web\.0 is replaced \(pid \d+\)\nreloaded web: 1 instance in [\d.]+ s\n$/)
  assert.match(await get(port), /^second/)
})

test('new instances that end at once leave the old ones serving, and the reason is said', async (t) => {
  const { box, port, name } = await openWeb(t, 2)
  const before = await pidsOf(box, name)
  box.setLife('broken')
  const { code, stderr } = await box.done(['reload', name])
  assert.equal(code, 1)
  assert.match(stderr, /^ {2}.*TypeError: this version is broken$/m)
  assert.match(stderr, /\nwarren: web is not reloaded: the new web\.\d ended before it was ready \(exit code 1\); what served before still does\n$/)
  assert.deepEqual(await pidsOf(box, name), before)
  assert.match(await get(port), /^first/)
  box.setLife('third')
  assert.equal((await box.done(['reload', name])).code, 0)
  assert.match(await get(port), /^third/)
})

test('of several new instances that end, one is the failure, and the others are said to be given up', async (t) => {
  const { box, name } = await openWeb(t, 3)
  box.setLife('broken')
  const { stdout } = await box.done(['reload', name, '--json'])
  const steps = lines(stdout).filter(({ step }) => step === 'failed' || step === 'given-up')
  const [failed, ...more] = steps.filter(({ step }) => step === 'failed')
  assert.deepEqual(more, [])
  assert.equal(failed.text, `the new ${failed.node} ended before it was ready (exit code 1)`)
  const others = steps.filter(({ step }) => step === 'given-up')
  assert.deepEqual(others.map(({ node }) => node).sort(), ['web.0', 'web.1', 'web.2'].filter((node) => node !== failed.node))
  assert.deepEqual(others.map(({ text }) => text), [null, null])
  const plain = await box.done(['reload', name])
  assert.match(plain.stdout, /^the new web\.\d ended before it was ready \(exit code 1\)\n$/)
})

test('new instances that are not ready in time leave the old ones serving', async (t) => {
  const { box, port, name } = await openWeb(t, 2, ['--ready', 'listen', '--start-timeout', '1s'])
  const before = await pidsOf(box, name)
  box.setLife('mute')
  const { code, stderr } = await box.done(['reload', name, '--parallel', '1'])
  assert.equal(code, 1)
  assert.match(stderr, /the new web\.0 was not ready within 1000 ms/)
  assert.deepEqual(await pidsOf(box, name), before)
  assert.match(await get(port), /^first/)
})

test('one instance alone is replaced', async (t) => {
  const { box, name } = await openWeb(t, 3)
  const before = await pidsOf(box, name)
  const { code, stdout } = await box.done(['reload', `${name}.1`, '--json'])
  assert.equal(code, 0)
  const after = await pidsOf(box, name)
  assert.deepEqual(after.map((pid, i) => pid === before[i]), [true, false, true])
  const steps = lines(stdout)
  assert.deepEqual(steps.map(({ type, node, step }) => [type, node, step]), [
    ['reloading', 'web.1', 'starting'], ['reloading', 'web.1', 'ready'], ['reloading', 'web.1', 'replaced'], ['reloaded', undefined, undefined],
  ])
  assert.equal(steps[1].pid, after[1])
  const { afterMs, ...end } = steps[3]
  assert.deepEqual(end, { type: 'reloaded', service: 'web', ok: true, instances: 1, replaced: 1, reason: null, stderr: [] })
  assert.ok(afterMs > 0)
})

test('a request that is under way is answered by the old instance; meanwhile there is no second reload', async (t) => {
  const { box, port, name, proc } = await openWeb(t, 1)
  const slow = get(port, '/slow')
  slow.catch(() => {}) // until it is awaited
  await proc.until(/slow one is here/)
  box.setLife('second')
  const reload = box.warren(['reload', name])
  await reload.until(/is replaced/)
  while (!/^second/.test(await get(port))); // the old one may be told a moment after we are
  assert.deepEqual((await box.nodesOf(name)).map((node) => node.state), ['up', 'draining'])
  const other = await box.done(['reload', name])
  assert.equal(other.code, 1)
  assert.match(other.stderr, /web is being reloaded already: wait until that is over/)
  const restart = await box.done(['restart', name])
  assert.equal(restart.code, 1)
  assert.match(restart.stderr, /is being reloaded/)
  assert.equal(reload.isOver, undefined)
  await release(box, name)
  assert.equal(await slow, 'first to the end')
  assert.equal((await reload.ended).code, 0)
  await proc.until(/first is told to stop/)
})

test('what is not finished when the time to drain is over is lost, and the reload goes on', async (t) => {
  const { box, port, name, proc } = await openWeb(t, 1)
  const lost = assert.rejects(get(port, '/slow'))
  await proc.until(/slow one is here/)
  const { code, stdout } = await box.done(['reload', name, '--drain', '300ms'])
  assert.equal(code, 0)
  assert.match(stdout, /^web\.0 \(pid \d+\): 1 connection had not ended when the time to drain \(300 ms\) was over, and is cut$/m)
  await lost
})

test('a stop while new instances are starting is said, and not that the old ones serve on', async (t) => {
  const { box, name } = await openWeb(t, 3, ['--ready', 'listen', '--start-timeout', '60s'])
  box.setLife('mute')
  const reload = box.warren(['reload', name, '--parallel', '1', '--json'])
  await reload.until(/starting/)
  assert.equal((await box.done(['stop', name])).code, 0)
  const { code, stderr, stdout } = await reload.ended
  assert.deepEqual([code, stderr], [1, 'warren: web is not reloaded: it was stopped meanwhile\n'])
  assert.equal(lines(stdout).at(-1).reason, 'it was stopped meanwhile')
})

test('a stop of one instance while new ones are starting ends its replacement alone', async (t) => {
  const { box, port, name } = await openWeb(t, 3, ['--ready', 'listen', '--start-timeout', '60s'])
  const before = await pidsOf(box, name)
  box.setLife('mute 1')
  const reload = box.warren(['reload', name, '--json'])
  await reload.until(/"ready"[^]*"ready"/)
  assert.equal((await box.done(['stop', `${name}.1`])).code, 0)
  const { code, stdout, stderr } = await reload.ended
  assert.deepEqual([code, stderr], [0, ''])
  const { ok, instances, replaced } = lines(stdout).at(-1)
  assert.deepEqual({ ok, instances, replaced }, { ok: true, instances: 2, replaced: 2 })
  assert.ok(lines(stdout).some(({ node, step }) => node === 'web.1' && step === 'given-up'))
  const after = await box.nodesOf(name)
  assert.deepEqual(after.map(({ state }) => state), ['up', 'down', 'up'])
  assert.ok(after.every(({ state, pid }) => state === 'down' || !before.includes(pid)))
  assert.match(await get(port), /^mute 1/) // what the file said to those that took their places
})

test('of an instance that is stopped while it alone is reloaded, that is said', async (t) => {
  const { box, name } = await openWeb(t, 2, ['--ready', 'listen', '--start-timeout', '60s'])
  box.setLife('mute')
  const reload = box.warren(['reload', `${name}.1`, '--json'])
  await reload.until(/starting/)
  assert.equal((await box.done(['stop', `${name}.1`])).code, 0)
  const { code, stderr } = await reload.ended
  assert.deepEqual([code, stderr], [1, 'warren: web is not reloaded: what was to be replaced was stopped meanwhile; what served before still does\n'])
})

test('a stop during a reload ends old and new instances', async (t) => {
  const { box, port, name, proc } = await openWeb(t, 2)
  const slow = get(port, '/slow').catch((err) => err.code)
  await proc.until(/slow one is here/)
  const reload = box.warren(['reload', name])
  await reload.until(/is replaced[^]*is replaced/)
  const pids = await pidsOf(box, name)
  assert.ok(pids.length > 2)
  assert.equal((await box.done(['stop', name])).code, 0)
  const { code, stderr } = await reload.ended
  assert.equal(code, 1)
  assert.match(stderr, /^warren: web is not reloaded: it was stopped meanwhile$/m)
  await proc.ended
  await allGone(pids)
  await slow
})

test('a connection that is kept alive ends with its next response, one that was upgraded goes on', async (t) => {
  const { box, port, name } = await openWeb(t, 1)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ask = () =>
    new Promise((resolve, reject) => {
      http.get({ port, host: '127.0.0.1', agent }, (response) => {
        let text = ''
        response.on('data', (chunk) => (text += chunk)).on('end', () => resolve({ text, connection: response.headers.connection }))
      }).on('error', reject)
    })
  const upgraded = http.request({ port, host: '127.0.0.1', agent: false, headers: { Connection: 'Upgrade', Upgrade: 'echo' } })
  upgraded.end()
  const [, socket] = await once(upgraded, 'upgrade')
  assert.equal((await ask()).connection, 'keep-alive')
  box.setLife('second')
  const reload = box.warren(['reload', name, '--drain', '20s'])
  await reload.until(/is replaced/)
  // It may be told a moment after we are.
  let last
  do assert.match((last = await ask()).text, /^first/)
  while (last.connection !== 'close')
  assert.match((await ask()).text, /^second/)
  socket.write('still here')
  assert.equal(String((await once(socket, 'data'))[0]), 'still here')
  assert.equal(reload.isOver, undefined)
  socket.end()
  assert.equal((await reload.ended).code, 0)
})

test('sessions of HTTP/2 are told to go away, plain connections are left to their end', async (t) => {
  const box = await Load.open(t)
  const second = await freePort()
  const { port, name } = await box.serve('lines.js', { instances: 1, args: [String(second)] })
  const session = http2.connect(`http://127.0.0.1:${second}`)
  const ask = async () => {
    const stream = session.request({ ':path': '/' })
    let text = ''
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    return text
  }
  const [old] = await pidsOf(box, name)
  assert.equal(await ask(), String(old))
  const socket = net.connect(port, '127.0.0.1')
  socket.write('one')
  assert.equal(String((await once(socket, 'data'))[0]), `${old} one`)
  const closed = once(session, 'close')
  const reload = box.warren(['reload', name, '--drain', '20s'])
  await closed
  socket.write('two')
  assert.equal(String((await once(socket, 'data'))[0]), `${old} two`)
  assert.equal(reload.isOver, undefined)
  socket.end()
  assert.equal((await reload.ended).code, 0)
})

test('no call through the mesh fails while those that serve it are replaced, and their hooks run', async (t) => {
  const box = await Load.open(t)
  await box.agent()
  const served = box.warren(['run', 'calls.mjs', '-i', '3', '--ready', 'mesh'], { cwd: new URL('programs', import.meta.url) })
  const caller = box.warren(['run', 'caller.mjs'], { cwd: new URL('programs', import.meta.url) })
  await caller.until(/calling/)
  for (const options of [[], ['--parallel', '1'], []]) {
    const { code, stderr } = await box.done(['reload', 'calls', ...options])
    assert.equal(code, 0, stderr)
  }
  caller.stdin.write('stop\n')
  const { stdout } = await caller.ended
  const { calls, pids, failures } = JSON.parse(stdout.match(/\{.*\}/)[0])
  assert.deepEqual(failures, [])
  assert.ok(calls > 1000 && pids >= 9, `${calls} calls, ${pids} nodes`)
  t.diagnostic(`figure calls during 3 reloads = ${calls} , none failed`)
  await served.until(/(?:(?:first|second) hook(?:(?! hook)[^])*){18}/) // two of each that was replaced
})

test('what cannot be reloaded is said', async (t) => {
  const { box } = await openWeb(t, 2)
  const unknown = await box.done(['reload', 'wbe'])
  assert.equal(unknown.code, 3)
  assert.match(unknown.stderr, /did you mean web/)
  assert.equal((await box.done(['reload'])).code, 2)
  assert.equal((await box.done(['reload', 'web', '--parallel', '0'])).code, 2)
})

test('one that was stopped is not reloaded: alone, that is refused, and what would start it is said', async (t) => {
  const { box } = await openWeb(t, 2)
  assert.equal((await box.done(['stop', 'web.1'])).code, 0)
  const refused = await box.done(['reload', 'web.1'])
  assert.deepEqual([refused.code, refused.stdout], [1, ''])
  assert.equal(refused.stderr, 'warren: web.1 does not run, so there is nothing to reload (`warren restart web.1` starts it)\n')
  const whole = await box.done(['reload', 'web'])
  assert.equal(whole.code, 0)
  assert.match(whole.stdout, /\nreloaded web: 1 instance in/)
  assert.equal((await box.done(['restart', 'web.1'])).code, 0)
  assert.equal((await box.done(['reload', 'web.1'])).code, 0)
})
