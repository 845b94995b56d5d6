// fs/promises: handles, positions, vectors, truncation, copies, and its errors with their stacks
import { open, readFile, writeFile, mkdtemp, stat, rm, copyFile, chmod, access, constants, readdir, symlink } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
const dir = await mkdtemp(path.join(os.tmpdir(), 'handles-'))
const file = path.join(dir, 'file')
const handle = await open(file, 'w+', 0o600)
console.log((await handle.write('hello world')).bytesWritten, (await handle.writev([Buffer.from('!'), Buffer.from('?')])).bytesWritten)
const parts = [Buffer.alloc(5), Buffer.alloc(3)]
console.log((await handle.readv(parts, 0)).bytesRead, parts.map(String))
await handle.truncate(5)
console.log(await readFile(file, 'utf8'), (await handle.stat()).size)
await handle.appendFile(', again')
await handle.close()
await handle.read().catch((err) => console.log(err.code))
await writeFile(file, (async function* () { yield 'from '; yield 'an iterator' })())
console.log(await readFile(file, { encoding: 'utf8' }))
await copyFile(file, `${file}2`)
await chmod(`${file}2`, 0o444)
console.log(((await stat(`${file}2`)).mode & 0o777).toString(8))
await access(file, constants.R_OK | constants.W_OK).then(() => console.log('accessible'))
await symlink('nowhere', path.join(dir, 'dangling'))
await stat(path.join(dir, 'dangling')).catch((err) => console.log(err.code, err.syscall, path.basename(err.path)))
const stop = AbortSignal.abort()
await readFile(file, { signal: stop }).catch((err) => console.log(err.name, err.code))
console.log((await readdir(dir)).sort().join())
await rm(dir, { recursive: true })
await rm(dir).catch((err) => console.log(err.code))
await rm(dir, { force: true })
