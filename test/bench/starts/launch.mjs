// From the command until 100 nodes have answered: Warren's, joined and each called once, with an agent running; and those of
// child_process.fork in a stock Node.js of the same version, each sent one message. Then the memory of the idle ones.
// --ksm: with WARREN_KSM=1, and only after the kernel has merged what is equal (it must be told to: docs/limits-of-nodes.md).
//   node test/bench/starts/launch.mjs [--count=100] [--rounds=3] [--ksm]
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, STOCK_NODE, WARREN_NODE } from './agent.mjs'

const IDLE_MS = 5000 // after that, what is private is what an idle node keeps
const { values: options } = parseArgs({ options: { count: { type: 'string', default: '100' }, rounds: { type: 'string', default: '3' }, ksm: { type: 'boolean', default: false } } })
const count = Number(options.count)
const program = (name) => fileURLToPath(new URL(name, import.meta.url))

const privateMiB = (pid) => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kB = [...text.matchAll(/^Private_(?:Dirty|Clean):\s+(\d+) kB$/gm)].reduce((sum, [, each]) => sum + Number(each), 0)
  return kB / 1024
}
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

const scans = () => Number(readFileSync('/sys/kernel/mm/ksm/full_scans', 'utf8'))

// A page is merged when it is the same in two looks at all of them.
async function merged() {
  for (const goal = scans() + 3; scans() < goal;) await sleep(500)
}

async function warren() {
  const agent = await Agent.start(options.ksm ? { WARREN_KSM: '1' } : {})
  const leader = spawn(WARREN_NODE, [program('leader.cjs'), String(count)], { env: agent.env, stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await once(leader.stdout, 'data') // has joined
    const began = performance.now()
    const [, [line]] = await Promise.all([agent.warren('run', '-d', '-i', String(count), '--name', 'echo', program('echo.cjs')), once(leader.stdout, 'data')])
    const ms = performance.now() - began
    if (!String(line).startsWith('all')) throw new Error(String(line))
    await sleep(IDLE_MS)
    if (options.ksm) await merged()
    const { stdout } = await agent.warren('ps', '--json')
    const pids = [...stdout.matchAll(/"pid":\s*(\d+)/g)].map(([, pid]) => Number(pid)).filter((pid) => pid !== leader.pid)
    if (/cold/.test(agent.log)) throw new Error(`a node was not forked:\n${agent.log}`)
    return { ms, each: pids.map(privateMiB) }
  } finally {
    leader.kill()
    await agent.end()
  }
}

async function stock() {
  const { stdout } = await promisify(execFile)(STOCK_NODE, [program('forks.cjs'), String(count), String(IDLE_MS)])
  return JSON.parse(stdout)
}

if (options.ksm && readFileSync('/sys/kernel/mm/ksm/run', 'utf8').trim() !== '1') throw new Error('the kernel merges nothing: `echo 1 > /sys/kernel/mm/ksm/run`')
const all = { warren: [], stock: [] }
for (let i = 0; i < Number(options.rounds); i++) {
  all.warren.push(await warren())
  all.stock.push(await stock())
}
const times = Object.fromEntries(Object.entries(all).map(([who, runs]) => [who, median(runs.map(({ ms }) => ms))]))
const sizes = Object.fromEntries(Object.entries(all).map(([who, runs]) => [who, median(runs.flatMap(({ each }) => each))]))
console.log(`| ${count} nodes | Warren | child_process.fork | |\n|---|---:|---:|---:|`)
console.log(`| up and answered | ${times.warren.toFixed(0)} ms | ${times.stock.toFixed(0)} ms | ${(times.stock / times.warren).toFixed(1)}x |`)
console.log(`| private memory of an idle one | ${sizes.warren.toFixed(2)} MiB | ${sizes.stock.toFixed(2)} MiB | ${(sizes.stock / sizes.warren).toFixed(1)}x |`)
