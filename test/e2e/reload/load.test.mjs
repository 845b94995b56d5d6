// `warren reload` under full load: no request is lost, no connection refused. RELOADS says how many runs: 20 are measured.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Load, figure, seen } from './load.mjs'

const RUNS = Number(process.env.RELOADS ?? 4)
const NONE = { connect: 0, read: 0, write: 0, timeout: 0 }

for (const { instances, options } of [
  { instances: 4, options: [] },
  { instances: 4, options: ['--parallel', '1'] },
  { instances: 1, options: [] },
]) {
  const what = `${instances} ${instances === 1 ? 'instance' : 'instances'}${options.length > 0 ? ', one by one' : ''}`
  test(`no request is lost by reloads of ${what} under full load`, async (t) => {
    const box = await Load.open(t)
    const { port, name } = await box.serve('hello.js', { instances })
    const wrk = box.wrk(port)
    let took = 0
    let before = await box.nodesOf(name)
    for (let run = 0; run < RUNS; run++) {
      const { code, stdout, stderr } = await box.done(['reload', name, '--json', ...options])
      assert.equal(code, 0, stderr)
      const end = JSON.parse(stdout.trimEnd().split('\n').at(-1))
      assert.equal(end.replaced, instances)
      took += end.afterMs
      const after = await box.nodesOf(name)
      assert.deepEqual(after.map((node) => node.state), Array(instances).fill('up'))
      assert.ok(after.every((node) => before.every((old) => old.pid !== node.pid)), 'all are new')
      before = after
    }
    assert.ok(!wrk.isOver, 'the load was there all the time')
    const { requests, perSecond, bad, errors } = await seen(wrk)
    assert.deepEqual({ bad, errors }, { bad: 0, errors: NONE })
    assert.ok(requests > 100)
    figure(t, `failed requests in ${RUNS} reloads of ${what}`, bad + errors.read + errors.write + errors.connect + errors.timeout, `of ${requests}`)
    figure(t, `requests while reloading ${what}`, perSecond, '/s')
    figure(t, `a reload of ${what}`, took / RUNS, 'ms')
  })
}
