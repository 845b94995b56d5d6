// Each codec there and back, streams, flush, dictionaries, limits, damaged and cut input
const zlib = require('node:zlib')
const { promisify } = require('node:util')
const { pipeline } = require('node:stream/promises')
const { Readable } = require('node:stream')
const text = 'the same words again and again, '.repeat(2000)
const sum = (bytes) => require('node:crypto').createHash('sha1').update(bytes).digest('hex').slice(0, 8)
async function main() {
  for (const [pack, unpack] of [['gzip', 'gunzip'], ['deflate', 'inflate'], ['deflateRaw', 'inflateRaw'], ['brotliCompress', 'brotliDecompress'], ['gzip', 'unzip'], ['deflate', 'unzip']]) {
    const packed = await promisify(zlib[pack])(text)
    console.log(pack, unpack, packed.length < 1000, sum(await promisify(zlib[unpack])(packed)) === sum(text), zlib[`${unpack}Sync`](zlib[`${pack}Sync`](text)).length)
  }
  const parts = []
  const gzip = zlib.createGzip({ level: 9, memLevel: 9 })
  gzip.on('data', (part) => parts.push(part))
  gzip.write('first ')
  await new Promise((resolve) => gzip.flush(resolve))
  const half = Buffer.concat(parts)
  console.log(zlib.gunzipSync(half, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString())
  try { zlib.gunzipSync(half) } catch (err) { console.log(err.code) }
  await new Promise((resolve) => gzip.on('end', resolve).end('second'))
  console.log(gzip.bytesWritten, String(zlib.gunzipSync(Buffer.concat(parts))))
  const dictionary = Buffer.from('words again and')
  const small = zlib.deflateSync('words again and words', { dictionary })
  console.log(String(zlib.inflateSync(small, { dictionary })))
  for (const attempt of [() => zlib.inflateSync(small), () => zlib.gunzipSync('nonsense'), () => zlib.gunzipSync(zlib.gzipSync(text).subarray(0, 50)), () => zlib.gunzipSync(zlib.gzipSync(text), { maxOutputLength: 10 }),
    () => zlib.brotliDecompressSync(Buffer.from([1, 2, 3, 4, 5])), () => zlib.createGzip({ level: 99 })]) try { attempt() } catch (err) { console.log(err.code, err.errno, err.message) }
  let size = 0
  await pipeline(Readable.from(Array.from({ length: 100 }, () => text)), zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }), zlib.createBrotliDecompress(),
    async (source) => { for await (const chunk of source) size += chunk.length })
  console.log(size === text.length * 100)
  const deflate = zlib.createDeflate({ level: 1 })
  deflate.params(9, zlib.constants.Z_FILTERED, (err) => { console.log(err ?? 'changed'); deflate.end(); deflate.resume() })
}
main()
