// Programs that only compute (cpu_programs.cjs), in forked nodes, in a warren-node started by exec and in a stock Node.js of
// the same version; interleaved, each run a process of its own. Prints a Markdown table of the processor time (user and system,
// all threads) that the cheapest runs took: others' work and a stolen processor only add to it, and less than to the time on a clock.
//   node test/bench/starts/cpu.mjs [--rounds=7] [--only=json,sort]
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { Agent, STOCK_NODE, WARREN_NODE } from './agent.mjs'

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, only: { type: 'string' } } })
const file = fileURLToPath(new URL('cpu_programs.cjs', import.meta.url))
const names = options.only?.split(',') ?? createRequire(import.meta.url)(file)
const execute = promisify(execFile)
const agent = await Agent.start()
const ways = {
  forked: (name) => agent.run('--no-prefix', file, '--', name),
  exec: (name) => execute(WARREN_NODE, [file, name]),
  stock: (name) => execute(STOCK_NODE, [file, name]),
}

try {
  const best = new Map(names.map((name) => [name, {}]))
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of names) {
      const results = new Set()
      const order = Object.entries(ways)
      for (let i = 0; i < order.length; i++) { // nobody is always the first
        const [way, run] = order[(i + round) % order.length]
        const { userMs, systemMs, result, version } = JSON.parse((await run(name)).stdout)
        const times = best.get(name)
        times[way] = Math.min(times[way] ?? Infinity, userMs + systemMs)
        results.add(`${version} ${result}`)
      }
      if (results.size !== 1) throw new Error(`${name} computes different things: ${[...results].join(', ')}`)
    }
  }
  if (/cold/.test(agent.log)) throw new Error(`a node was not forked:\n${agent.log}`)
  print(best)
} finally {
  await agent.end()
}

function print(best) {
  console.log('| program | stock Node.js | warren-node by exec | forked | forked to exec | forked to stock |\n|---|---:|---:|---:|---:|---:|')
  const ratios = { exec: [], stock: [] }
  for (const [name, { forked, exec, stock }] of best) {
    ratios.exec.push(forked / exec)
    ratios.stock.push(forked / stock)
    console.log(`| ${name} | ${stock.toFixed(0)} ms | ${exec.toFixed(0)} ms | ${forked.toFixed(0)} ms | ${(forked / exec).toFixed(3)} | ${(forked / stock).toFixed(3)} |`)
  }
  console.log(`| geometric mean | | | | ${mean(ratios.exec).toFixed(3)} | ${mean(ratios.stock).toFixed(3)} |`)
}

function mean(ratios) {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
}
