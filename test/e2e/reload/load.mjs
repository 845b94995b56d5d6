// Services under full load: `wrk`, and what it saw.
import { execFileSync } from 'node:child_process'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { Sandbox } from '../agent/harness.mjs'
import { freePort } from '../ports.mjs'

export const programs = fileURLToPath(new URL('programs', import.meta.url))
export const figure = (t, name, value, unit) => t.diagnostic(`figure ${name} = ${Math.round(value * 10) / 10} ${unit}`)

export const get = (port, path = '/') =>
  new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text)).on('error', reject)
    }).on('error', reject)
  })

export class Load extends Sandbox {
  // Runs `program PORT` and waits until all its instances listen.
  async serve(program, { instances, options = [], args = [], cwd = programs }) {
    const port = await freePort()
    const proc = this.warren(['run', program, '-i', String(instances), ...options, String(port), ...args], { cwd })
    const name = program.replace(/\..*/, '')
    for (let i = 0; i < instances; i++) await proc.until(new RegExp(`${name}(\\.${i})? +\\| listening`))
    return { proc, port, name }
  }

  // Until seen() ends it, or the test takes far too long.
  wrk(port, { connections = 64, headers = [] } = {}) {
    const args = [`-t1`, `-c${connections}`, '-d4m', '--timeout=60s', ...headers.flatMap((header) => ['-H', header])]
    return this.start('wrk', [...args, `http://127.0.0.1:${port}/`])
  }

  async nodesOf(name) {
    return (await this.nodes()).filter((node) => node.service === name)
  }
}

// Ends wrk: what it saw, of its words.
export async function seen(wrk) {
  wrk.end('SIGINT')
  const { stdout, stderr, code } = await wrk.ended
  if (code !== 0) throw new Error(`wrk: ${stderr}${stdout}`)
  const errors = stdout.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)
  const [connect, read, write, timeout] = errors === null ? [0, 0, 0, 0] : errors.slice(1).map(Number)
  return {
    requests: Number(stdout.match(/(\d+) requests in/)[1]),
    perSecond: Number(stdout.match(/Requests\/sec: +([\d.]+)/)[1]),
    bad: Number(stdout.match(/Non-2xx or 3xx responses: (\d+)/)?.[1] ?? 0),
    errors: { connect, read, write, timeout },
  }
}

// Connections of these processes on the port, as the kernel counts them, in the order of the pids.
export function connectionsOf(port, pids) {
  const lines = execFileSync('ss', ['-Htnp', 'state', 'established', `sport = :${port}`], { encoding: 'utf8' }).split('\n')
  return pids.map((pid) => lines.filter((line) => line.includes(`pid=${pid},`)).length)
}

// How far the farthest is from the mean, in percent of it.
export function unevenness(counts) {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return Math.max(...counts.map((count) => Math.abs(count - mean) / mean)) * 100
}
