// make bench: Warren beside others, interleaved in one run; prints a Markdown table with ratios.
//   node test/bench/run.mjs [--rounds=3] [--only=rtt,calls] [--peers=warren,net] [--json]
// Further peers: warren-stock (the leader is a stock Node.js with the package of npm) and warren-pair (one follower, too).
// common.mjs has the workloads, peers/ who is measured. Every figure is the median over the rounds, and each
// measurement runs in processes of its own.
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { workloads } from './common.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const BUILD = here('../../build/bench')
const BIN = process.env.WARREN_BIN ?? here('../../build/bin')
const STOCK = here('../../build/stock')
const LEADER = here('process.mjs')
const TIMEOUT_MS = 120_000

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: Object.keys(workloads).join() },
    peers: { type: 'string', default: 'warren,net,ipc-advanced,ipc-json,cluster' },
    json: { type: 'boolean', default: false },
  },
})
const titles = {
  warren: 'Warren', 'warren-stock': 'Warren, stock to forked', 'warren-pair': 'Warren, stock to stock', net: 'net + msgpackr', 'ipc-advanced': 'child_process (advanced)',
  'ipc-json': 'child_process (json)', cluster: 'node:cluster',
}
const peers = options.peers.split(',')
const only = options.only.split(',')
for (const [option, given, known] of [['--only', only, Object.keys(workloads)], ['--peers', peers, Object.keys(titles)]]) {
  const strange = given.find((name) => !known.includes(name))
  if (strange === undefined) continue
  console.error(`bench: ${option} knows ${known.join(', ')}, not "${strange}"`)
  process.exit(2)
}

// --- what is measured: one line of the table per figure -------------------------------------------------------------

const us = { unit: 'us', isLessBetter: true, digits: 1 }
const perSecond = { unit: 'k/s', of: (result) => result.perSecond / 1000, digits: 0 }

function figuresOf(name, kind, placement) {
  const title = { rtt: `round trip, ${kind}, ${placement}`, oneWay: `one way, ${kind}`, calls: '64 calls outstanding',
    fanout: 'fan-out 1 to 8', launch1: 'launch 1 node', launch50: 'launch 50 nodes' }[name]
  const figure = (what, shape) => ({ title: what ? `${title}: ${what}` : title, of: (result) => result[what], ...shape })
  if (name === 'rtt') return [figure('p50', us), figure('p99', us)]
  if (name === 'oneWay' && kind === '64KiB') {
    return [figure('', { unit: 'MB/s', of: (result) => (result.perSecond * 65536) / 1e6, digits: 0 })]
  }
  if (!name.startsWith('launch')) return [figure('', perSecond)]
  const time = figure('', { unit: 'ms', isLessBetter: true, of: (result) => result.ms, digits: 1 })
  if (name === 'launch1') return [time]
  const size = { unit: 'MiB', isLessBetter: true, digits: 1 }
  return [
    time,
    figure('memory of all (PSS)', { ...size, of: (result) => result.pssMiB }),
    figure('private per idle node', { ...size, of: (result) => result.privateMiB }),
  ]
}

function measurements() {
  const all = []
  for (const name of Object.keys(workloads).filter((each) => only.includes(each))) {
    for (const kind of workloads[name].kinds) {
      for (const placement of name === 'rtt' ? ['one core', 'free'] : ['free']) {
        all.push({ name, kind, placement, results: new Map(peers.map((peer) => [peer, []])) })
      }
    }
  }
  return all
}

// JSON has no bytes.
const canDo = (peer, { kind }) => peer !== 'ipc-json' || kind === 'small'

// --- running --------------------------------------------------------------------------------------------------------

const run = promisify(execFile)
let failures = 0

async function runOnce(peer, { name, kind, placement }) {
  const program = peer === 'warren' ? `${BIN}/warren-node` : process.execPath
  const leader = peer.startsWith('warren-') ? `${STOCK}/test/bench/process.mjs` : LEADER
  const command = [program, leader, 'lead', peer, name, kind]
  if (placement === 'one core') command.unshift('taskset', '-c', '0')
  try {
    const { stdout } = await run(command[0], command.slice(1), { env: { ...process.env, WARREN_BIN: BIN }, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
    return JSON.parse(stdout.trim().split('\n').at(-1))
  } catch (error) {
    failures++
    console.error(`bench: ${peer} ${name} ${kind} failed: ${(error.stderr || error.message).trim()}`)
    return null
  }
}

function prepare() {
  if (peers.some((peer) => peer.startsWith('warren-'))) {
    const where = { SOURCE: here('../..'), NPM: here('../../build/npm'), OUT: STOCK }
    const definitions = Object.entries(where).map(([name, path]) => `-D${name}=${path}`)
    execFileSync('cmake', [...definitions, '-P', here('../stock/install.cmake')], { stdio: 'ignore' })
  }
  if (existsSync(`${BUILD}/node_modules/msgpackr`) && readFileSync(`${BUILD}/package.json`, 'utf8') === readFileSync(here('package.json'), 'utf8')) return
  mkdirSync(BUILD, { recursive: true })
  for (const name of ['package.json', 'package-lock.json']) cpSync(here(name), `${BUILD}/${name}`)
  execFileSync('npm', ['install', '--no-save', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: BUILD, stdio: ['ignore', 'ignore', 'inherit'] })
}

// --- the table ------------------------------------------------------------------------------------------------------

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted.length === 0 ? null : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

function rowsOf(all) {
  const rows = []
  for (const { name, kind, placement, results } of all) {
    for (const { title, unit, of, isLessBetter = false, digits } of figuresOf(name, kind, placement)) {
      const values = Object.fromEntries(peers.map((peer) => [peer, median(results.get(peer).map(of))]))
      const samples = Math.min(...peers.map((peer) => results.get(peer).reduce((sum, result) => sum + result.samples, 0)).filter(Boolean))
      rows.push({ title, unit, digits, values, samples, ratios: ratiosOf(values, isLessBetter) })
    }
  }
  return rows
}

/** How many times better Warren is than each other, and than the best of them. */
function ratiosOf({ warren, ...others }, isLessBetter) {
  if (warren == null) return {}
  const entries = Object.entries(others).filter(([, value]) => value !== null)
  const ratios = Object.fromEntries(entries.map(([peer, value]) => [peer, isLessBetter ? value / warren : warren / value]))
  return entries.length === 0 ? {} : { ...ratios, best: Math.min(...Object.values(ratios)) }
}

const show = (value, digits) => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
const showRatio = (ratio) => (ratio === undefined ? '' : `${show(ratio, ratio < 10 ? 1 : 0)}x`)

function tableOf(rows) {
  const head = ['', 'unit', ...peers.map((peer) => titles[peer]), 'Warren to the best other', 'samples']
  const lines = rows.map(({ title, unit, digits, values, ratios, samples }) => [
    title, unit,
    ...peers.map((peer) => {
      if (values[peer] === null) return '-'
      return `${show(values[peer], digits)}${peer in ratios ? ` (${showRatio(ratios[peer])})` : ''}`
    }),
    showRatio(ratios.best), show(samples, 0),
  ])
  const widths = head.map((_, column) => Math.max(3, ...[head, ...lines].map((line) => line[column].length)))
  const paint = (line) => `| ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [paint(head), rule, ...lines.map(paint)].join('\n')
}

// --- all of it ------------------------------------------------------------------------------------------------------

prepare()
const rounds = Number(options.rounds)
const all = measurements()
for (let round = 1; round <= rounds; round++) {
  for (const measurement of all) {
    for (const peer of peers.filter((each) => canDo(each, measurement))) {
      const result = await runOnce(peer, measurement)
      if (result !== null) measurement.results.get(peer).push(result)
    }
    const { name, kind, placement } = measurement
    console.error(`bench: round ${round} of ${rounds}, ${name} ${kind} ${placement}`)
  }
}
const machine = `${os.cpus().length} cores (${os.cpus()[0].model.trim()}), Linux ${os.release()}, node ${process.version}`
const rows = rowsOf(all)
if (options.json) {
  console.log(JSON.stringify({ machine, rounds, rows }, null, 2))
} else {
  console.log(`${machine}; medians of ${rounds} interleaved rounds; in brackets: how many times better Warren is\n`)
  console.log(tableOf(rows))
}
process.exitCode = failures === 0 ? 0 : 1
