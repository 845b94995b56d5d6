// write() says false at the mark, 'drain' follows, cork gathers, and highWaterMark counts
const { Writable, Readable } = require('node:stream')
let release
const slow = new Writable({ highWaterMark: 10, write(chunk, _, done) { release = done }, writev: undefined })
console.log(slow.write('12345'), slow.write('67890'), slow.writableLength, slow.writableNeedDrain)
slow.on('drain', () => console.log('drain', slow.writableLength))
release()
setImmediate(() => { release(); setImmediate(second) })
function second() {
  const gathered = []
  const bundle = new Writable({ writev(chunks, done) { gathered.push(chunks.map(({ chunk }) => String(chunk)).join('+')); done() } })
  bundle.cork()
  for (const text of ['a', 'b', 'c']) bundle.write(text)
  process.nextTick(() => bundle.uncork())
  bundle.end('d', () => console.log(gathered.join(' ')))
  let made = 0
  const source = new Readable({ highWaterMark: 3, objectMode: true, read() { this.push(made < 10 ? { n: made++ } : null) } })
  source.once('readable', () => {
    console.log(source.readableLength, source.read().n, source.isPaused(), source.readableFlowing)
    source.pause().on('data', () => {}).resume().on('end', () => console.log('end', made))
  })
  try { bundle.write(null) } catch (err) { console.log(err.code) }
  bundle.on('error', (err) => console.log(err.code))
  bundle.write('after end')
}
