// The zygote is killed between any two steps of a launch, and of an end: every instance runs to its end, and its code is known.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, programs } from './harness.mjs'

const STEPS = {
  'when it has said that it is ready': 'sendmsg:after:1',
  'before it receives the launch': 'recvmsg:before',
  'with the launch received': 'recvmsg:after',
  'before the fork': 'fork:before',
  'with a node forked that nobody knows': 'fork:after',
  'before it tells of the node': 'sendmsg:before:2',
  'with the node told': 'sendmsg:after:2',
  'before it tells of the second of three': 'sendmsg:before:3',
  'with an end told and not reaped': 'waitpid:before',
  'with an end reaped': 'waitpid:after',
}

// A node that nobody knows yet may begin its program before its leash ends it: its instance is started again.
const UNTOLD = ['fork:after', 'sendmsg:before:2', 'sendmsg:before:3']

for (const [name, step] of Object.entries(STEPS)) {
  test(name, async (t) => {
    const box = await Sandbox.open(t)
    const wrapper = path.join(box.dir, 'warren-node')
    const once = path.join(box.dir, 'once')
    fs.writeFileSync(wrapper, `#!/bin/sh
LD_PRELOAD="${process.env.WARREN_ENDS_ZYGOTE}" END_AT=${step} END_ONCE="${once}" ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" exec "${process.env.WARREN_NODE}" "$@"
`, { mode: 0o755 })
    const agent = await box.agent({ env: { WARREN_NODE: wrapper } })
    const { stdout, stderr, code } = await box.done(['run', '--no-prefix', '-i', '3', path.join(programs, 'zygotes', 'ends.js')])
    assert.ok(fs.existsSync(once), 'the step was never reached')
    assert.match(agent.output, /signal 9 .*; its nodes run on/)
    assert.equal(code, 0, stderr)
    assert.match(stdout, UNTOLD.includes(step) ? /^(ran\n){3,4}$/ : /^(ran\n){3}$/, stderr)
    assert.doesNotMatch(stderr, /restart|code -1|cold/)
    agent.end()
  })
}
