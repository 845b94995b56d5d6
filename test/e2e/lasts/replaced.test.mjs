// `warren agent restart`: the program that is on disk now takes the agent's place, in its process.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { figure } from '../hosts/figure.mjs'
import { ask, Sandbox, test } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

const pids = (nodes) => nodes.map((node) => node.pid).sort()

// An agent of a program of its own, which a test may exchange.
async function openExchangeable(t) {
  const box = await Sandbox.open(t)
  box.path = path.join(box.dir, 'warren')
  fs.symlinkSync(process.env.WARREN, box.path)
  box.exchange = (text, mode = 0o755) => {
    fs.rmSync(box.path)
    fs.writeFileSync(box.path, text, { mode })
  }
  const agent = box.start(box.path, ['agent'])
  await agent.until(/listens on/)
  return { box, agent }
}

test('nodes, their messages and their port run on while the agent is replaced', async (t) => {
  const { box, agent } = await openExchangeable(t)
  await box.ok(['run', '-d', 'server.js', '-i', '3'])
  const servers = await box.probes.take(3)
  await box.ok(['run', '-d', 'caller.js'])
  const caller = await box.probes.next()
  const port = await freePort()
  await box.ok(['run', '-d', 'teller.js', '--ready', 'listen', '--', port])
  await box.probes.next()
  await ask(caller, 'go')
  while ((await ask(caller, 'report')).calls < 1000); // its links are there
  const before = await box.nodes()
  let isOver = false, requests = 0, failed = 0
  const get = () => new Promise((resolve) => {
    http.get({ port, host: '127.0.0.1', agent: false }, (response) => response.resume().on('end', resolve)).on('error', () => { failed++; resolve() })
  })
  const load = (async () => { for (; !isOver; requests++) await get() })()
  for (let i = 0; i < 3; i++) {
    const began = performance.now()
    const { pid, nodes, services } = JSON.parse((await box.ok(['agent', 'restart', '--json'])).stdout)
    figure(t, 'the agent is replaced after', performance.now() - began, 'ms')
    assert.deepEqual([pid, nodes, services], [agent.pid, 5, 3])
    assert.deepEqual(pids(await box.nodes()), pids(before))
  }
  isOver = true
  await load
  assert.ok(requests > 0)
  assert.equal(failed, 0)
  const report = await ask(caller, 'stop')
  assert.deepEqual([report.errors, report.wrong, report.lost], [[], 0, 0])
  for (const server of servers) {
    let counted = await ask(server, 'report')
    while (counted.received < report.published) counted = await ask(server, 'report')
    assert.deepEqual([counted.received, counted.disorder, counted.downs], [report.published, [], 0])
  }
  await box.ok(['restart', 'teller'])
  await box.probes.next() // what is started now is by the one that came
  await box.ok(['agent', '--stop'])
  assert.equal((await agent.ended).code, 0)
})

test('a program that cannot be an agent leaves the agent as it was', async (t) => {
  const { box, agent } = await openExchangeable(t)
  await box.ok(['run', '-d', 'teller.js'])
  const probe = await box.probes.next()
  const refused = async () => {
    const { code, stderr, stdout } = await box.done(['agent', 'restart'])
    assert.deepEqual([code, stdout], [1, ''])
    const [node] = await box.nodes()
    assert.deepEqual([node.pid, node.state], [probe.pid, 'up'])
    return stderr
  }
  box.exchange('#!/bin/sh\necho "libuv.so.1 is not there" >&2\nexit 127\n')
  assert.match(await refused(), /^warren: the agent runs on as it was: `.*\/warren agent --check` ended with exit code 127: libuv\.so\.1 is not there\n$/)
  box.exchange('#!/bin/sh\nkill -SEGV $$\n')
  assert.match(await refused(), /`.*\/warren agent --check` was ended by SIGSEGV\n$/)
  box.exchange('#!/bin/sh\necho fine\n') // it ends well, and is something else
  assert.match(await refused(), /the agent runs on as it was: .* ended with exit code 0: fine\n$/)
  box.exchange('no program', 0o644)
  assert.match(await refused(), /the agent runs on as it was: cannot start .*\/warren: Permission denied\n$/)
  fs.rmSync(box.path)
  assert.match(await refused(), /the agent runs on as it was: cannot start .*\/warren: No such file or directory\n$/)
  fs.symlinkSync(process.env.WARREN, box.path)
  const { stdout } = await box.ok(['agent', 'restart'])
  assert.match(stdout, new RegExp(`^1 node of 1 service runs on: .*/warren \\(pid ${agent.pid}\\) is version \\S+ now, was \\S+\\n$`))
})

test('a run in the foreground would end with the agent, so that is asked for first', async (t) => {
  const { box } = await openExchangeable(t)
  const run = box.warren(['run', 'teller.js'])
  const probe = await box.probes.next()
  const { code, stderr } = await box.done(['agent', 'restart'])
  assert.equal(code, 1)
  assert.equal(stderr, 'warren: teller would end with it, for it runs in the foreground: stop it first, or say --force\n')
  await box.ok(['agent', 'restart', '--force'])
  assert.equal((await run.ended).code, 4)
  await probe.gone
  assert.deepEqual(await box.nodes(), [])
})

test('systemd is told when the agent is ready, lives, is being replaced and stops', async (t) => {
  const box = await Sandbox.open(t)
  const path_ = path.join(box.dir, 'notify')
  const manager = box.start('python3', ['-uc', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print('bound')
while True: print(s.recv(4096).decode().replace('\\n', ' '))`, path_])
  await manager.until(/bound/)
  const agent = await box.agent({ env: { NOTIFY_SOCKET: path_, WATCHDOG_USEC: '200000' } })
  await manager.until(/\nREADY=1 STATUS=0 services run\n(.*\n)*WATCHDOG=1/)
  await box.ok(['run', '-d', 'teller.js'])
  await box.probes.next()
  await manager.until(/WATCHDOG=1 STATUS=1 service runs\n/)
  await box.ok(['agent', 'restart'])
  await manager.until(/\nRELOADING=1 MONOTONIC_USEC=\d+ STATUS=being replaced\n(.*\n)*READY=1 STATUS=1 service runs\n(.*\n)*WATCHDOG=1/)
  agent.kill('SIGTERM')
  await manager.until(/\nSTOPPING=1 STATUS=stops all services\n/)
  assert.equal((await agent.ended).code, 0)
})
