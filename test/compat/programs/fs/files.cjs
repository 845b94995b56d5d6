// Files by each of the three interfaces: write, append, stat, rename, links, permissions, copies, errors by code
const fs = require('node:fs')
const path = require('node:path')
const os = require('node:os')
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'files-'))
const at = (name) => path.join(dir, name)
fs.writeFileSync(at('a'), 'one\n', { mode: 0o640 })
fs.appendFileSync(at('a'), 'two\n')
const fd = fs.openSync(at('a'), 'r+')
fs.writeSync(fd, 'ONE', 0)
const part = Buffer.alloc(3)
console.log(fs.readSync(fd, part, 0, 3, 4), String(part), (fs.fstatSync(fd).mode & 0o777).toString(8))
fs.ftruncateSync(fd, 5)
fs.fsyncSync(fd)
fs.closeSync(fd)
console.log(JSON.stringify(fs.readFileSync(at('a'), 'utf8')))
fs.symlinkSync('a', at('link'))
fs.linkSync(at('a'), at('hard'))
console.log(fs.readlinkSync(at('link')), fs.statSync(at('hard')).nlink, fs.lstatSync(at('link')).isSymbolicLink(), fs.realpathSync(at('link')) === fs.realpathSync(at('a')))
fs.utimesSync(at('a'), 1, 2)
console.log(fs.statSync(at('a')).mtimeMs, fs.statSync(at('a'), { bigint: true }).mtimeNs)
for (const attempt of [() => fs.readFileSync(at('none')), () => fs.mkdirSync(dir), () => fs.rmdirSync(dir), () => fs.readdirSync(at('a')), () => fs.openSync(at('a'), 'wx'),
  () => fs.copyFileSync(at('a'), at('hard'), fs.constants.COPYFILE_EXCL), () => fs.readFileSync(1.5)]) {
  try { attempt() } catch (err) { console.log(err.code, err.syscall, err.errno) }
}
fs.mkdirSync(at('deep/er/still'), { recursive: true })
fs.cpSync(at('deep'), at('copy'), { recursive: true })
console.log(fs.readdirSync(dir, { withFileTypes: true }).map((entry) => `${entry.name}${entry.isDirectory() ? '/' : ''}`).join(' '))
fs.rename(at('hard'), at('deep/hard'), async (err) => {
  console.log(err, fs.existsSync(at('hard')), await fs.promises.readFile(at('deep/hard'), 'latin1').then((text) => text.length))
  fs.access(at('none'), (err) => {
    console.log(err.code, err.message.replace(dir, ''))
    fs.rmSync(dir, { recursive: true })
    console.log(fs.existsSync(dir))
  })
})
