// fs.watch tells names, fs.watchFile both states, and opendir walks a directory
const fs = require('node:fs')
const path = require('node:path')
const os = require('node:os')
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'watch-'))
async function main() {
  const watcher = fs.watch(dir)
  const seen = new Promise((resolve) => watcher.once('change', (type, name) => resolve(`${type} ${name}`)))
  fs.writeFileSync(path.join(dir, 'new'), '')
  console.log(await seen)
  watcher.close()
  const file = path.join(dir, 'new')
  const changed = new Promise((resolve) => fs.watchFile(file, { interval: 10 }, (now, before) => resolve(now.size > before.size)))
  const writing = setInterval(() => fs.appendFileSync(file, 'longer'), 15) // its first look may come after a write
  console.log(await changed)
  clearInterval(writing)
  fs.unwatchFile(file)
  const stop = new AbortController()
  const events = fs.promises.watch(dir, { signal: stop.signal })
  const first = events.next()
  fs.writeFileSync(path.join(dir, 'other'), '')
  console.log((await first).value.filename)
  stop.abort()
  await events.next().catch((err) => console.log(err.name))
  const names = []
  for await (const entry of await fs.promises.opendir(dir)) names.push(entry.name)
  console.log(names.sort().join())
}
main()
