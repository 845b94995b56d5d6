// sharp: decodes, resizes, composes and encodes images in its own threads; metadata, pixels, streams, errors
import sharp from 'sharp'
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { Readable, PassThrough } from 'node:stream'
const sum = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16)
const pixels = Buffer.from(Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * 7) % 256))
const raw = { raw: { width: 64, height: 48, channels: 3 } }
for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif']) {
  const encoded = await sharp(pixels, raw).toFormat(format).toBuffer()
  const { width, height, channels, space } = await sharp(encoded).metadata()
  console.log(format, width, height, channels, space, sum(await sharp(encoded).raw().toBuffer()))
}
const png = await sharp(pixels, raw).png().toBuffer()
const { data, info } = await sharp(png).resize(20, 20, { fit: 'contain', background: 'red' }).rotate(90).grayscale().raw().toBuffer({ resolveWithObject: true })
console.log(info.width, info.height, info.channels, info.size, sum(data))
const overlay = await sharp({ create: { width: 10, height: 10, channels: 4, background: { r: 0, g: 255, b: 0, alpha: 0.5 } } }).png().toBuffer()
console.log(sum(await sharp(png).composite([{ input: overlay, left: 5, top: 5 }]).blur(2).raw().toBuffer()))
console.log(sum(await sharp(Buffer.from('<svg width="20" height="10"><rect width="10" height="10" fill="blue"/></svg>')).raw().toBuffer()))
const { channels, isOpaque } = await sharp(png).stats()
console.log(channels.map(({ min, max, mean }) => [min, max, Math.round(mean)]).join(' '), isOpaque)
console.log((await Promise.all(Array.from({ length: 16 }, (_, i) => sharp(png).resize(10 + i).raw().toBuffer()))).map(sum).join('').length)
const out = new PassThrough()
const parts = []
out.on('data', (part) => parts.push(part))
await pipeline(Readable.from([png.subarray(0, 50), png.subarray(50)]), sharp().extract({ left: 1, top: 2, width: 8, height: 8 }).png(), out)
console.log((await sharp(Buffer.concat(parts)).metadata()).width)
await sharp(Buffer.from('no image')).toBuffer().catch((err) => console.log(err.message))
await sharp('/none.png').toBuffer().catch((err) => console.log(err.message))
console.log(sharp.versions.sharp, sharp.concurrency() > 0)
