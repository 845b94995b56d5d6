// What a node holds alone, where the administrator lets the kernel merge equal pages.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

const CAN_MERGE = fs.existsSync('/sys/kernel/mm/ksm/run')

// MiB of a process that the kernel may merge with others: mappings with the flag "mg" of proc(5).
function mergeable(pid) {
  const mappings = fs.readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  const sizes = mappings.filter((text) => /^VmFlags:.* mg\b/m.test(text)).map((text) => Number(/^Size:\s+(\d+) kB/m.exec(text)[1]))
  return sizes.reduce((sum, size) => sum + size, 0) / 1024
}

// The nodes of a program that does nothing, when each has said so.
async function idle(box, instances, ...args) {
  const run = box.warren(['run', 'idle.js', '-i', String(instances), ...args])
  await run.until(new RegExp(`(idle undefined[^]*){${instances}}`))
  return box.nodes()
}

for (const [zygote, ...args] of [['common', 1], ['own', 2, '--preload', 'node:zlib']])
  test(`WARREN_KSM=1 lets the kernel merge the memory of forked nodes, which are not told: ${zygote} zygote`, async (t) => {
    const box = await Sandbox.open(t)
    const agent = await box.agent({ env: { WARREN_KSM: '1' } })
    await agent.until(CAN_MERGE ? /the kernel merges pages that are equal|the kernel merges no pages until root says/ : /this kernel cannot merge pages/)
    for (const { pid, cold } of await idle(box, ...args)) {
      assert.equal(cold, false)
      assert.equal(mergeable(pid) > 1, CAN_MERGE, `${mergeable(pid)} MiB`)
    }
  })

test('nothing may be merged that was not asked for', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent({ env: { WARREN_KSM: '0' } })
  for (const { pid } of await idle(box, 1)) assert.equal(mergeable(pid), 0)
})
