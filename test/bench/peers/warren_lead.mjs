// The leader's side of warren.mjs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join as joinPath } from 'node:path'
import { createInterface } from 'node:readline'
import { join } from 'warren'

const WARREN = joinPath(process.env.WARREN_BIN ?? dirname(process.execPath), 'warren')

// Variants, of a leader that is a stock Node.js: `stock` with forked followers, `pair` with one that is a stock Node.js too.
export function lead({ entry, args, variant }) {
  const dir = mkdtempSync(joinPath(tmpdir(), 'warren-bench-'))
  const env = { ...process.env, WARREN_DIR: dir }
  let agent
  let mesh
  let client
  let routes

  const toldToWait = (isFine) => (isFine ? undefined : once(mesh, 'drain'))

  return {
    async prepare() {
      agent = spawn(WARREN, ['agent'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
      await zygoteIsReady(agent.stderr)
      mesh = await join({ agentPath: joinPath(dir, 'agent.sock') })
      client = mesh.client('bench')
    },
    async start(count) {
      if (variant === 'pair') {
        const follower = spawn(process.execPath, [entry, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
        process.on('exit', () => follower.kill())
        routes = (await mesh.available('bench', { timeout: 60_000 })).map((to) => ({ to }))
        return
      }
      const run = spawn(WARREN, ['run', '-d', entry, '--name', 'bench', '-i', count, '--', ...args], {
        env, stdio: ['ignore', 'ignore', 'inherit'],
      })
      const ended = once(run, 'exit')
      const instances = await mesh.available('bench', { count, timeout: 60_000 })
      routes = [...instances].sort((a, b) => a.instance - b.instance).map((to) => ({ to }))
      const [code] = await ended
      if (code !== 0) throw new Error(`warren run ended with ${code}`)
    },
    call: (i, message) => client.call(message, routes[i]),
    send: (i, message) => toldToWait(mesh.publish(`bench.${i}`, message)),
    sendAll: (message) => toldToWait(mesh.publish('bench.all', message)),
    pids() {
      const followers = routes.map(({ to }) => to.pid)
      return { followers, others: familyOf(agent.pid).filter((pid) => !followers.includes(pid)) }
    },
    async stop() {
      await mesh?.close()
      agent.kill('SIGTERM')
      if (agent.exitCode === null) await once(agent, 'exit')
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** An agent that runs for a while has booted its zygote; its log says so. */
async function zygoteIsReady(log) {
  for await (const line of createInterface({ input: log })) {
    if (line.includes('is ready after')) return
  }
  throw new Error('the agent ended before its zygote was ready')
}

/** A process and all below it: the agent, its zygote, the nodes. */
function familyOf(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return [pid, ...children.split(' ').filter(Boolean).flatMap((child) => familyOf(Number(child)))]
}
