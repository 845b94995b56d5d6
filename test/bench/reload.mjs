// Reloads under full load, Warren and PM2 in turns: `node test/bench/reload.mjs [RUNS]`. In each run wrk keeps 64 connections busy
// for as long as one reload of 4 instances takes, and says which of its requests failed. PM2 comes from npm into build/bench.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../e2e/ports.mjs'

const RUNS = Number(process.argv[2] ?? 20)
const INSTANCES = 4
const CONNECTIONS = 64
const OWN_REQUESTS = 100
const PM2_VERSION = '6.0.14'
const at = (name) => fileURLToPath(new URL(name, import.meta.url))
const bench = at('../../build/bench/')
const WARREN = process.env.WARREN ?? at('../../build/bin/warren')
const pm2 = path.join(bench, 'node_modules/.bin/pm2')
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'warren-reload-'))
const env = { ...process.env, WARREN_DIR: path.join(dir, 'warren'), PM2_HOME: path.join(dir, 'pm2') }

const run = (command, ...args) => execFileSync(command, args, { env, cwd: at('reload/'), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilOpen(port) {
  for (;;) {
    const socket = net.connect(port, '127.0.0.1')
    const isOpen = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (isOpen) return
  }
}

const viaPm2 = (program) => ({
  start: (port) => run(pm2, 'start', program, '--name', 'web', '-i', String(INSTANCES), '--', String(port)),
  reload: () => [pm2, 'reload', 'web'],
  stop: () => run(pm2, 'delete', 'web'),
})
const peers = {
  'warren reload': {
    start: (port) => run(WARREN, 'run', '-d', 'plain.cjs', '--name', 'web', '-i', String(INSTANCES), '--', String(port)),
    reload: () => [WARREN, 'reload', 'web'],
    stop: () => run(WARREN, 'stop', 'web'),
  },
  'pm2 reload': viaPm2('plain.cjs'),
  'pm2 reload, program closes on SIGINT': viaPm2('graceful.cjs'),
}

// Answers to new connections of our own, one after the other: beside as many as wrk has, which are served meanwhile.
async function untilServed(port) {
  for (let count = 0; count < OWN_REQUESTS; ) {
    const isAnswered = new Promise((resolve) => {
      http.get({ port, host: '127.0.0.1', agent: false }, (response) => response.resume().on('close', () => resolve(response.complete)))
        .on('error', () => resolve(false))
    })
    if (await isAnswered) count++
  }
}
const connectionsOf = (port) => execFileSync('ss', ['-Htn', 'state', 'established', `sport = :${port}`], { encoding: 'utf8' }).split('\n').length - 1

// All of wrk's connections are there, and requests are answered.
async function untilBusy(port) {
  while (connectionsOf(port) < CONNECTIONS) await new Promise(setImmediate)
  await untilServed(port)
}

// The command, and wrk from before it until all its connections are served again.
async function underLoad(port, command) {
  let text = ''
  const wrk = spawn('wrk', ['-t1', `-c${CONNECTIONS}`, '-d600', `http://127.0.0.1:${port}/`])
  wrk.stdout.on('data', (chunk) => (text += chunk))
  const ended = once(wrk, 'close')
  await untilBusy(port)
  const from = performance.now()
  const proc = spawn(command[0], command.slice(1), { env, stdio: 'ignore' })
  const [code] = await once(proc, 'close')
  const took = performance.now() - from
  await untilBusy(port)
  wrk.kill('SIGINT')
  await ended
  const [, connect, read, write, timeout] = text.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/) ?? [0, 0, 0, 0, 0]
  const bad = Number(text.match(/Non-2xx or 3xx responses: (\d+)/)?.[1] ?? 0)
  return {
    code, took, refused: Number(connect), failed: Number(read) + Number(write) + Number(timeout) + bad,
    requests: Number(text.match(/(\d+) requests in/)[1]), perSecond: Number(text.match(/Requests\/sec: +([\d.]+)/)[1]),
  }
}

if (!fs.existsSync(pm2)) {
  fs.mkdirSync(bench, { recursive: true })
  execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', bench, `pm2@${PM2_VERSION}`], { stdio: 'inherit' })
}
const results = Object.fromEntries(Object.keys(peers).map((name) => [name, []]))
const agent = spawn(WARREN, ['agent'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
await once(agent.stderr, 'data')
try {
  for (let i = 0; i < RUNS; i++)
    for (const [name, peer] of Object.entries(peers)) {
      const port = await freePort()
      peer.start(port)
      await untilOpen(port)
      results[name].push(await underLoad(port, peer.reload()))
      peer.stop()
    }
} finally {
  try {
    run(pm2, 'kill')
  } finally {
    agent.kill()
    await once(agent, 'close')
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

const sum = (list, key) => list.reduce((all, one) => all + one[key], 0)
const median = (list, key) => list.map((one) => one[key]).sort((a, b) => a - b)[list.length >> 1]
console.log(`| ${RUNS} runs of each | requests | failed | refused | runs without a failure | requests/s, median | reload, median |`)
console.log('|---|---:|---:|---:|---:|---:|---:|')
for (const [name, list] of Object.entries(results)) {
  const clean = list.filter((one) => one.failed + one.refused === 0 && one.code === 0).length
  console.log(`| \`${name}\` | ${sum(list, 'requests')} | ${sum(list, 'failed')} | ${sum(list, 'refused')} | ${clean} of ${RUNS} | ${Math.round(median(list, 'perSecond'))} | ${Math.round(median(list, 'took'))} ms |`)
}
