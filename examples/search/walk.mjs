// Finds the files below some directories.
import { readdirSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'

// The directories as absolute paths, in the order given, without those that lie inside another. Throws what
// the operating system says when one can't be resolved.
export function rootsOf(directories) {
  const roots = [...new Set(directories.map(directory => realpathSync(directory)))]
  const isInside = (root, other) => root !== other && root.startsWith(other.endsWith(sep) ? other : other + sep)
  return roots.filter(root => !roots.some(other => isInside(root, other)))
}

// Yields the path of every regular file, always in the same order. Symbolic links are not followed: what they
// lead to is found where it is, or lies outside. Directories that can't be read are told to `onUnreadable`.
export function* walk(root, onUnreadable = () => {}) {
  let entries
  try {
    entries = readdirSync(root, { withFileTypes: true })
  } catch {
    onUnreadable(root)
    return
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(root, entry.name)
    if (entry.isDirectory()) yield* walk(path, onUnreadable)
    else if (entry.isFile()) yield path
  }
}
