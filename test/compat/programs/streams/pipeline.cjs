// pipeline, Transform, object mode, destroy and errors on the way; finished tells each end
const { pipeline, Readable, Transform, Writable, PassThrough, finished, Duplex, addAbortSignal } = require('node:stream')
const { promisify } = require('node:util')
const run = promisify(pipeline)
const collect = (into) => new Writable({ objectMode: true, write(chunk, _, done) { into.push(chunk); done() } })
const upper = () => new Transform({ objectMode: true, transform(chunk, _, done) { done(null, String(chunk).toUpperCase()) } })
async function main() {
  const out = []
  await run(Readable.from(['a', 'b', 'c']), upper(), async function* (source) { for await (const c of source) yield `${c}!` }, collect(out))
  console.log(out.join())
  const broken = new Transform({ transform(chunk, _, done) { done(new Error(`refuses ${chunk}`)) } })
  const source = Readable.from(['x', 'y'])
  await run(source, broken, collect([])).catch((err) => console.log(err.message, source.destroyed, broken.destroyed))
  const early = new PassThrough()
  finished(early, (err) => console.log(err.code))
  early.destroy()
  const stop = new AbortController()
  const endless = addAbortSignal(stop.signal, new Readable({ read() { setImmediate(() => this.push('x')) } }))
  setImmediate(() => stop.abort())
  try { for await (const chunk of endless) chunk.length } catch (err) { console.log(err.name, err.code) }
  const numbers = Readable.from([1, 2, 3, 4, 5, 6])
  console.log(await numbers.filter((n) => n % 2).map(async (n) => n * 10, { concurrency: 2 }).toArray())
  console.log(await Readable.from([1, 2, 3]).reduce((a, b) => a + b, 0), await Readable.from([1, 2]).some((n) => n > 1))
  const both = Duplex.from(async function* (source) { for await (const chunk of source) yield String(chunk).repeat(2) })
  both.end('ab')
  both.setEncoding('utf8').on('data', (text) => console.log(text))
}
main()
