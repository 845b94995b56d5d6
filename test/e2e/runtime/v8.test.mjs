// V8's own threads and tasks in a forked node, which booted without any: each program prints what only they could have done.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Zygote, program, run } from './harness.mjs'

const says = (node) => {
  assert.equal(node.stderr, '')
  return JSON.parse(node.stdout.trim().split('\n').at(-1))
}

const WAYS = { forked: (zygote, args) => zygote.run(args), cold: (zygote, args) => run(args) }
for (const [way, start] of Object.entries(WAYS)) {
  describe(`${way}:`, () => {
    let zygote
    before(async () => { if (way === 'forked') zygote = await Zygote.boot() })
    after(() => zygote?.close())
    const play = async (...args) => {
      const node = await start(zygote, [program('v8.cjs'), ...args])
      if (way === 'forked') assert.equal(node.coldReason, '')
      assert.equal(node.code, 0, node.stderr)
      return node
    }

    test('hot code is optimised on another thread while the program runs on', async () => {
      const { isOptimised, threads } = says(await play('optimises'))
      assert.equal(isOptimised, true)
      assert.equal(threads.includes('v8-worker'), way === 'forked', threads.join())
    })
    test('the old generation is marked concurrently', async () => {
      const { stdout } = await play('marks')
      const ms = Array.from(stdout.matchAll(/background\.mark=([\d.]+)/g), ([, text]) => Number(text))
      assert.ok(ms.some((each) => each > 0), `no time of concurrent marking:\n${stdout}`)
    })
    test('Atomics.wait is woken by a worker, and runs into its time-out', async () => {
      assert.deepEqual(says(await play('waits')), { woken: 'ok', value: 42, late: 'timed-out' })
    })
    test('a delayed task of V8 comes due: Atomics.waitAsync runs into its time-out', async () => {
      assert.deepEqual(says(await play('waitsAsync')), { result: 'timed-out' })
    })
    test('a task that V8 posts to the loop is run: a finalizer is called', async () => {
      assert.deepEqual(says(await play('finalizes')), { held: 'gone' })
    })
    test('workers run, answer, share memory and end', async () => {
      assert.deepEqual(says(await play('works')), { sum: 4 * 499500, codes: [0, 0, 0, 3] })
    })
    test('WebAssembly is compiled and made faster in the background', async () => {
      assert.deepEqual(says(await play('compilesWasm')), { answers: [120, 3628800], tiers: true })
    })
    for (const end of ['returns', 'exits']) {
      test(`a file of trace events is whole when the program ${end}`, async () => {
        const dir = mkdtempSync(path.join(os.tmpdir(), 'traces-'))
        try {
          await play('traces', dir, end)
          const { traceEvents } = JSON.parse(readFileSync(path.join(dir, 'node_trace.1.log'), 'utf8'))
          assert.deepEqual(traceEvents.filter(({ name }) => name === 'count::sheep').map(({ args }) => args.data), [1])
        } finally {
          rmSync(dir, { recursive: true })
        }
      })
    }
  })
}
