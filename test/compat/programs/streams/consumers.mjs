// stream/consumers, stream/promises and Readable.toWeb/fromWeb
import { text, json, buffer, arrayBuffer, blob } from 'node:stream/consumers'
import { pipeline, finished } from 'node:stream/promises'
import { Readable, PassThrough, compose } from 'node:stream'
const from = (...parts) => Readable.from(parts.map((part) => Buffer.from(part)))
console.log(await text(from('grü', 'ß')), await json(from('{"a":', '[1,2]}')), (await buffer(from('a', 'b'))).length)
console.log((await arrayBuffer(from('abc'))).byteLength, (await blob(from('abcd'))).size)
const both = new PassThrough()
const done = finished(both.resume())
both.end('x')
console.log(await done)
await pipeline(from('a'), async function (source) { for await (const part of source) console.log(String(part)) })
await pipeline(from('a'), new PassThrough(), { end: true }).catch(console.log)
const web = Readable.toWeb(Readable.from(['1', '2']))
const reader = web.getReader()
console.log((await reader.read()).value, (await reader.read()).value, (await reader.read()).done)
console.log(await text(Readable.fromWeb(new Blob(['from a blob']).stream())))
