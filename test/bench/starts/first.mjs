// The first HTTP request of a process, from its bytes to the whole answer: a node whose service's zygote is warmed, a node of the
// common zygote, a stock Node.js. Each is a process that has just begun to listen; the second request for comparison.
//   node test/bench/starts/first.mjs [--rounds=15]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Agent, STOCK_NODE } from './agent.mjs'

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } })
const file = (name) => fileURLToPath(new URL(name, import.meta.url))
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

function ask(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      const began = performance.now()
      let text = ''
      socket.on('data', (chunk) => { text += chunk })
      socket.on('end', () => (text.startsWith('HTTP/1.1 200') ? resolve(performance.now() - began) : reject(new Error(text))))
      socket.write('GET /?from=100 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    }).on('error', reject)
  })
}

async function measure(command, args, env) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  for await (const chunk of child.stdout) {
    text += chunk
    if (/port \d+\n/.test(text)) break
  }
  const port = Number(/port (\d+)/.exec(text)[1])
  const result = { first: await ask(port), second: await ask(port) }
  child.kill()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return result
}

const agent = await Agent.start()
const ways = {
  'forked, its zygote warmed': () => measure(agent.warrenPath, ['run', '--no-prefix', '--preload', file('first.cjs'), file('first_main.cjs')], agent.env),
  'forked from the common zygote': () => measure(agent.warrenPath, ['run', '--no-prefix', file('first_main.cjs')], agent.env),
  'stock Node.js': () => measure(STOCK_NODE, [file('first_main.cjs'), 'alone'], process.env),
}
try {
  const all = Object.fromEntries(Object.keys(ways).map((way) => [way, []]))
  for (const run of Object.values(ways)) await run() // zygotes boot
  for (let i = 0; i < Number(options.rounds); i++) for (const [way, run] of Object.entries(ways)) all[way].push(await run())
  if (/cold/.test(agent.log)) throw new Error(`a node was not forked:\n${agent.log}`)
  console.log('| | first request | slowest first | second request |\n|---|---:|---:|---:|')
  for (const [way, runs] of Object.entries(all)) {
    const firsts = runs.map(({ first }) => first)
    console.log(`| ${way} | ${median(firsts).toFixed(2)} ms | ${Math.max(...firsts).toFixed(2)} ms | ${median(runs.map(({ second }) => second)).toFixed(2)} ms |`)
  }
} finally {
  await agent.end()
}
