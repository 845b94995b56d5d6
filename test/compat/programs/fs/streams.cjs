// createReadStream and createWriteStream: ranges, flags, positions, events and errors
const fs = require('node:fs')
const path = require('node:path')
const os = require('node:os')
const { pipeline } = require('node:stream/promises')
const file = path.join(os.tmpdir(), 'streamed')
async function main() {
  const out = fs.createWriteStream(file)
  out.on('open', (fd) => console.log('open', typeof fd)).on('ready', () => console.log('ready')).on('close', () => console.log('close', out.bytesWritten))
  for (let i = 0; i < 1000; i++) out.write(`line ${i}\n`)
  await new Promise((resolve) => out.end('end\n', resolve))
  let text = ''
  for await (const chunk of fs.createReadStream(file, { start: 5, end: 20, encoding: 'utf8', highWaterMark: 4 })) text += `[${chunk}]`
  console.log(JSON.stringify(text))
  const patch = fs.createWriteStream(file, { flags: 'r+', start: 5 })
  await new Promise((resolve) => patch.end('XXXX', resolve))
  console.log(fs.readFileSync(file, 'utf8').slice(0, 14).replace('\n', '|'))
  await pipeline(fs.createReadStream(file), fs.createWriteStream(`${file}.copy`))
  console.log(fs.statSync(`${file}.copy`).size === fs.statSync(file).size)
  fs.createReadStream(`${file}.none`).on('error', (err) => console.log(err.code, err.syscall)).on('close', () => console.log('closed'))
  const handle = await fs.promises.open(file)
  const lines = []
  for await (const line of handle.readLines({ start: 0, end: 30 })) lines.push(line)
  console.log(lines)
}
main()
