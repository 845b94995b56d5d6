// An agent with many nodes: its memory and its keeper's, what it uses while nothing happens, how long `warren ps` takes; then
// lives that come and go, and what each of them leaves in its memory.
//   node test/bench/starts/many.mjs [--count=500] [--lives=3000]
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from './agent.mjs'

const IDLE_MS = 10_000
const STEP = 50 // instances of a service
const SAMPLES = 10
const { values: options } = parseArgs({ options: { count: { type: 'string', default: '500' }, lives: { type: 'string', default: '3000' } } })
const program = fileURLToPath(new URL('echo.cjs', import.meta.url))

const rssKiB = (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
const fdsOf = (pid) => readdirSync(`/proc/${pid}/fd`).length
// By the scheduler's clock: ticks count a process whole that happens to run when one comes, and that an idle agent's timers do.
const runMs = (pid) => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

async function timePs(agent) {
  const times = []
  for (let i = 0; i < SAMPLES; i++) {
    const from = performance.now()
    await agent.warren('ps', '--json')
    times.push(performance.now() - from)
  }
  return median(times)
}

function print(what, value) {
  console.log(`| ${what} | ${value} |`)
}

async function fill(agent, count) {
  for (let i = 0; i < count; i += STEP) await agent.run('-d', '-i', String(Math.min(STEP, count - i)), '--name', `many${i}`, program)
}

// `lives` more: services that come and are stopped, beside those that stay.
async function churn(agent, lives, pids) {
  const samples = []
  for (let done = 0; done < lives; done += STEP) {
    await agent.run('-d', '-i', String(STEP), '--name', 'guest', program)
    await agent.warren('stop', 'guest')
    samples.push([done + STEP, ...pids.map(rssKiB)])
  }
  return samples
}

// Least squares over the second half: the first one fills what is kept for reuse.
function slope(samples, column) {
  const half = samples.slice(samples.length >> 1)
  const mean = (of) => half.reduce((sum, each) => sum + of(each), 0) / half.length
  const x = mean((each) => each[0]), y = mean((each) => each[column])
  return mean((each) => (each[0] - x) * (each[column] - y)) / mean((each) => (each[0] - x) ** 2) * 1024
}

const agent = await Agent.start()
try {
  const { pid } = agent.child
  const keeper = Number(execFileSync('pgrep', ['-f', '-P', '1,' + pid, 'agent --keeper'], { encoding: 'utf8' }).split('\n')
    .find((each) => each !== '' && readFileSync(`/proc/${each}/environ`, 'utf8').includes(agent.dir)))
  const count = Number(options.count), lives = Number(options.lives)
  console.log(`| agent with ${count} idle nodes | |\n|---|---:|`)
  await fill(agent, count)
  await sleep(IDLE_MS) // until all have heard of all
  print('memory of the agent (RSS)', `${(rssKiB(pid) / 1024).toFixed(1)} MiB`)
  print('memory of its keeper (RSS)', `${(rssKiB(keeper) / 1024).toFixed(1)} MiB`)
  const before = runMs(pid)
  await sleep(IDLE_MS)
  print('processor time while idle', `${((runMs(pid) - before) / IDLE_MS * 100).toFixed(2)} % of a core`)
  print('`warren ps --json`', `${(await timePs(agent)).toFixed(0)} ms`)
  const fds = [fdsOf(pid), fdsOf(keeper)]
  const samples = await churn(agent, lives, [pid, keeper])
  print(`after ${lives} lives more: agent, keeper (RSS)`, `${(rssKiB(pid) / 1024).toFixed(1)}, ${(rssKiB(keeper) / 1024).toFixed(1)} MiB`)
  print('growth per life, second half: agent, keeper', `${slope(samples, 1).toFixed(1)}, ${slope(samples, 2).toFixed(1)} bytes`)
  print('descriptors before and after: agent, keeper', `${fds[0]} → ${fdsOf(pid)}, ${fds[1]} → ${fdsOf(keeper)}`)
} finally {
  await agent.end()
}
