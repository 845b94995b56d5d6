// Serves one directory: `warren run -d store.mjs --name store -- DIR`.
import { readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join as joined, relative, resolve, sep } from 'node:path'
import { join } from 'warren'
import { keep, partsOf } from './parts.mjs'

const root = await realpath(process.argv[2] ?? '.')

// The place of `path` below the root; throws when it is elsewhere, also by way of a symbolic link.
async function inside(path) {
  const place = resolve(root, path)
  for (let known = place; ; known = dirname(known)) {
    const real = await realpath(known).catch((err) => { if (err.code !== 'ENOENT') throw err })
    if (real === undefined) continue
    if (real !== root && !real.startsWith(root + sep)) throw new RangeError(`${path} is not in this store`)
    return place
  }
}

async function* filesOf(place) {
  if ((await stat(place)).isFile()) return yield relative(root, place)
  for (const entry of await readdir(place, { withFileTypes: true })) {
    if (entry.isDirectory()) yield* filesOf(joined(place, entry.name))
    else if (entry.isFile()) yield relative(root, joined(place, entry.name))
  }
}

const mesh = await join()
await mesh.serve('files', {
  // The paths of all files at or below `path`.
  async *list({ path }) {
    yield* filesOf(await inside(path))
  },
  async *read({ path }) {
    yield* partsOf(await inside(path))
  },
  // The first part says where to: {path}.
  async write(parts) {
    const { value: { path } } = await parts.next()
    await keep(parts, await inside(path))
  },
})
console.log(`serves ${root}`)
