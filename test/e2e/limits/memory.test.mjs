// A node that uses more memory than it may ends alone, and it is said what it ended of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

const OVER = /^out of memory: (it held \d+ MiB, its limit is 96 MiB|the kernel ended it at its limit of 96 MiB)$/

for (const [kind, ...args] of [['forked'], ['cold', '--node-arg=--expose-gc']])
  test(`a heap that is full is told as such: ${kind}`, async (t) => {
    const box = await Sandbox.open(t)
    await box.agent()
    const { cold, state, lastExit } = await box.grow('heap', '--memory', '256M', ...args)
    assert.equal(cold, kind === 'cold')
    assert.deepEqual([state, lastExit.oom], ['down', true])
    if (process.env.SANITIZE) return // which takes so much itself that the node holds too much before its heap is full
    assert.equal(lastExit.signal, 6)
    assert.equal(lastExit.reason, "out of memory: V8's heap was full (144 MiB of the limit of 256 MiB)")
    assert.ok(lastExit.stderr.length > 0)
    const { stdout } = await box.done(['ps', 'grow'])
    assert.match(stdout, /its last life ended .*: out of memory: V8's heap was full \(144 MiB of the limit of 256 MiB\)$/m)
  })

test('a heap that is full by V8\'s own limit is told as such too', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const { lastExit, limits } = await box.grow('heap', '--node-arg=--max-old-space-size=40')
  assert.deepEqual([lastExit.oom, lastExit.reason, limits], [true, "out of memory: V8's heap was full", null])
})

for (const [kind, ...args] of [['forked'], ['cold', '--node-arg=--expose-gc']])
  test(`buffers count, though they are not in the heap: ${kind}`, async (t) => {
    const box = await Sandbox.open(t)
    await box.agent()
    const { lastExit } = await box.grow('buffers', '--memory', '96M', ...args)
    assert.deepEqual([lastExit.oom, lastExit.signal], [true, 9])
    assert.match(lastExit.reason, OVER)
    console.log(`# figure ${lastExit.reason}`)
  })

test('what is asked for at once is refused, or the end', async (t) => {
  if (process.env.SANITIZE) return t.skip('AddressSanitizer ends whoever gets no memory')
  const box = await Sandbox.open(t)
  await box.agent()
  const { lastExit, limits } = await box.grow('burst', '--memory', '96M')
  const { stdout } = await box.done(['logs', 'grow', '--no-prefix'])
  if (limits.memoryBy === 'cgroup') assert.match(lastExit.reason, OVER)
  else assert.deepEqual([lastExit.oom, lastExit.code, stdout], [false, 0, 'refused: Array buffer allocation failed\n'])
})

test('one that ran out of memory is started again, and who runs it is told why', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const run = box.warren(['run', 'grow.js', 'buffers', '--memory', '96M', '--max-restarts', '1/60', '--name', 'twice', '-i', '1'])
  const { code, stderr } = await run.ended
  assert.match(stderr, /twice\.0 (crashed|failed) \(out of memory: /)
  assert.match(stderr, /twice\.0 failed \(.* after 1 restart within 60 s\): not restarted any more/)
  assert.equal(code, 137)
})

test('what may not be used is said before anything starts, and in lists', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const run = box.warren(['run', '--json', 'spin.js', '1', '1', '--memory', '1G', '--cpu', '1.5'])
  const { stdout, stderr } = await run.ended
  const started = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)).find(({ type }) => type === 'started')
  const { memoryBytes, memoryBy, cpu, cpuBy } = started.limits
  assert.deepEqual([memoryBytes, cpu], [1 << 30, 1.5])
  assert.equal(stderr, '')
  const plain = await box.done(['run', 'spin.js', '1', '1', '--memory', '1G', '--cpu', '1.5'])
  const by = { cgroup: { memory: 'cgroup', cpu: 'cgroup' }, process: { memory: "V8's heap limit, rlimit and the agent", cpu: 'a throttle in the process' } }
  assert.match(plain.stderr, new RegExp(`^warren: each instance has memory up to 1 GiB, by ${by[memoryBy].memory}; 1\\.50 processors, by ${by[cpuBy].cpu}( \\(.*\\))?\n$`))
  if (memoryBy === 'process') assert.match(plain.stderr, /\(.*cgroup.*\)\n$/)
})

test('limits that make no sense are refused', async (t) => {
  const box = await Sandbox.open(t)
  for (const [args, text] of [
    [['--memory', '1M'], '--memory is a number of bytes like 512K, 200M or 1G, from 32M to 1024T, not "1M"'],
    [['--memory', 'lots'], '--memory is a number of bytes like 512K, 200M or 1G, from 32M to 1024T, not "lots"'],
    [['--cpu', '0'], '--cpu is a number of processors like 0.5 or 2, from 0.01 to 1000, not "0"'],
    [['--cpu', 'half'], '--cpu is a number of processors like 0.5 or 2, from 0.01 to 1000, not "half"'],
    [['--cpu', '-1'], '--cpu is a number of processors like 0.5 or 2, from 0.01 to 1000, not "-1"'],
  ]) {
    const { code, stderr } = await box.done(['run', 'spin.js', ...args])
    assert.deepEqual([code, stderr], [2, `warren: ${text}\n`])
  }
})
