// Streams of the mesh that run while the service that serves them is reloaded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Load, programs } from './load.mjs'
import { pidsOf } from './web.mjs'

async function openStreams(t) {
  const box = await Load.open(t)
  await box.agent()
  await box.warren(['run', 'streams.mjs', '--ready', 'mesh', '--grace', '1000'], { cwd: programs }).until(/serving/)
  const streamer = box.warren(['run', 'streamer.mjs'], { cwd: programs })
  const ask = async (word) => {
    const from = streamer.output.length
    streamer.stdin.write(`${word}\n`)
    return JSON.parse((await streamer.until(/\{.*\}\n/, from))[0])
  }
  await streamer.until(/here/)
  await ask('begin')
  const [old] = await pidsOf(box, 'streams')
  return { box, ask, old, streamer }
}

// New calls go to the new instance.
async function untilReplaced(box, ask, old) {
  let pid = old
  while (pid === old) pid = (await ask('pid')).pid
  return pid
}

test('streams both ways that run when a service is reloaded run to their end, by the old instance', async (t) => {
  const { box, ask, old } = await openStreams(t)
  const reload = box.warren(['reload', 'streams', '--drain', '60s'])
  await reload.until(/is replaced/)
  await untilReplaced(box, ask, old)
  const { answer, sum, doubled, sourceEnds } = await ask('finish')
  const whole = { read: 100, inOrder: true, errors: [], pids: [old] }
  assert.deepEqual([answer, doubled], [whole, whole])
  assert.deepEqual(sum, { sum: (99 * 100) / 2, pid: old })
  assert.deepEqual(sourceEnds, [1, 1])
  const { code, stdout } = await reload.ended
  assert.equal(code, 0)
  assert.doesNotMatch(stdout, /cut/)
})

test('streams that are not over when the time to drain is end with one error each, and their sources are ended', async (t) => {
  const { box, ask, old } = await openStreams(t)
  const watched = ask('watch') // reads what there is, and waits for sources that stand still
  const { code } = await box.done(['reload', 'streams', '--drain', '2s'])
  assert.equal(code, 0)
  const { answer, sum, doubled, sourceEnds } = await watched
  t.diagnostic(JSON.stringify({ answer, sum, doubled, sourceEnds }))
  // Nothing kept the answer without an input from its end.
  assert.deepEqual(answer, { read: 100, inOrder: true, errors: [], pids: [old] })
  const lost = { code: 'ERR_WARREN_PEER_LOST', delivered: 'maybe' }
  assert.deepEqual(sum, lost)
  assert.deepEqual(doubled, { read: 10, inOrder: true, errors: [lost], pids: [] })
  assert.deepEqual(sourceEnds, [1, 1])
  assert.notEqual(await untilReplaced(box, ask, old), old)
})
