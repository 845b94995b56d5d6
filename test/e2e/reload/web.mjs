// The service that the tests of this folder reload: programs/web.js.
import fs from 'node:fs'
import path from 'node:path'
import { Load } from './load.mjs'

// Programs that are started here read from a file what they are.
export function withLife(box) {
  const file = path.join(box.dir, 'life')
  box.env.LIFE = file
  box.setLife = (life) => fs.writeFileSync(file, life)
  box.setLife('first')
  return box
}

export async function openWeb(t, instances, options = []) {
  const box = withLife(await Load.open(t))
  const service = await box.serve('web.js', { instances, options })
  return { box, ...service }
}
export const pidsOf = async (box, name) => (await box.nodesOf(name)).map((node) => node.pid)

// Nothing new reaches an old instance but by a connection that it has: here, none. A signal does.
export async function release(box, name) {
  const old = (await box.nodesOf(name)).find((node) => node.state === 'draining')
  process.kill(old.pid, 'SIGUSR2')
}

// Their parent may still be about to take note of it.
export const allGone = async (pids) => {
  while (pids.some((pid) => fs.existsSync(`/proc/${pid}`))) await new Promise((resolve) => setTimeout(resolve, 5))
}
