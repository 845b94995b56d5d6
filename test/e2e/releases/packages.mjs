// Packages that are installed somewhere, for the project of a sandbox.
import fs from 'node:fs'
import path from 'node:path'

// One of them, and all that it needs.
export function takePackage(box, from, name) {
  const dir = path.join(from, name), to = box.path(`node_modules/${name}`)
  if (!fs.existsSync(dir) || fs.existsSync(to)) return // of another platform; taken already
  fs.cpSync(dir, to, { recursive: true, verbatimSymlinks: true })
  const { dependencies, optionalDependencies } = JSON.parse(fs.readFileSync(path.join(dir, 'package.json')))
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) takePackage(box, from, needed)
}
