// HTTP/2 under load: a reload loses no request of a client that does what it must.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Busy } from './h2.mjs'
import { Load, figure } from './load.mjs'

const RUNS = Number(process.env.RELOADS ?? 2)

for (const [path, what] of [['/now', 'are given at once'], ['/later', 'take a moment']])
  test(`of HTTP/2 requests whose answers ${what} none is lost by a reload`, async (t) => {
    const box = await Load.open(t)
    const { port, name } = await box.serve('h2.js', { instances: 2 })
    const busy = new Busy(port, { sessions: 8, streams: 8, path })
    const before = new Set((await box.nodesOf(name)).map((node) => node.pid))
    while (busy.answers < 100) await new Promise(setImmediate)
    for (let i = 0; i < RUNS; i++) {
      const { code, stdout, stderr } = await box.done(['reload', name])
      assert.equal(code, 0, stderr)
      assert.doesNotMatch(stdout, /is cut/)
      const { answers } = busy
      while (busy.answers < answers + 100) await new Promise(setImmediate)
    }
    await busy.end()
    assert.deepEqual(busy.lost, [])
    assert.ok([...busy.pids].filter((pid) => !before.has(pid)).length >= 2, 'new instances have answered')
    figure(t, `HTTP/2 streams refused, and sent again, in each reload (${path})`, busy.refused / RUNS, `of ${busy.answers} in all`)
  })
