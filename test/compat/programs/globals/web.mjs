// The web's interfaces: fetch, structuredClone, streams, compression, channels, events, crypto, abort, blobs, FormData, timers
import http from 'node:http'
import { once } from 'node:events'
const server = http.createServer(async (request, response) => { let body = ''; for await (const chunk of request) body += chunk; if (request.url === '/gone') return request.socket.destroy(); response.writeHead(request.url === '/404' ? 404 : 200, { 'x-method': request.method, 'content-type': 'application/json' }).end(JSON.stringify({ url: request.url, length: body.length })) }).listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${server.address().port}`
const answer = await fetch(`${origin}/a?b`, { method: 'POST', body: 'text', headers: { 'x-a': '1' } }); console.log(answer.ok, answer.status, answer.headers.get('x-method'), await answer.json(), answer.bodyUsed)
console.log((await fetch(`${origin}/404`)).ok, await fetch(`${origin}/gone`).catch((err) => [err.name, err.message, err.cause?.code]))
const form = new FormData(); form.set('a', 'x'); form.append('f', new Blob(['file']), 'n.txt'); console.log((await (await fetch(origin, { method: 'POST', body: form })).json()).length > 100, [...form.keys()])
console.log(await fetch(origin, { signal: AbortSignal.abort() }).catch((err) => err.name), await fetch('bad:').catch((err) => err.message), new Request('http://x/', { method: 'put' }).method, await new Response('r').text(), new Headers([['a', '1'], ['A', '2']]).get('a'))
server.closeAllConnections(); server.close()
const cloned = structuredClone({ d: new Date(0), m: new Map([[1, { n: 1n }]]), e: new TypeError('t') }); console.log(cloned.d.getTime(), cloned.m, cloned.e.name); try { structuredClone(() => {}) } catch (err) { console.log(err.name, err.code, err.message) }
const bytes = new Uint8Array([1, 2]); structuredClone(bytes, { transfer: [bytes.buffer] }); console.log(bytes.length)
const gzipped = new Blob(['hello '.repeat(100)]).stream().pipeThrough(new CompressionStream('gzip')); console.log((await new Response(gzipped.pipeThrough(new DecompressionStream('gzip'))).text()).length)
const { readable, writable } = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk * 2) } }); const writer = writable.getWriter(); writer.write(21); writer.close(); for await (const n of readable) console.log(n)
const [left, right] = new ReadableStream({ start(controller) { controller.enqueue('t'); controller.close() } }).tee(); console.log((await left.getReader().read()).value, (await right.getReader().read()).value)
const { port1, port2 } = new MessageChannel(); port2.onmessage = ({ data }) => { console.log('port', data); port1.close() }; port1.postMessage({ a: [1] }); await once(port1, 'close')
const a = new BroadcastChannel('c'), b = new BroadcastChannel('c'); const heard = new Promise((resolve) => { b.onmessage = ({ data }) => resolve(data) }); a.postMessage('cast'); console.log(await heard); a.close(); b.close()
const target = new EventTarget(); target.addEventListener('e', (event) => { event.preventDefault(); console.log(event.type, event.detail, event.cancelable) }, { once: true }); console.log(target.dispatchEvent(new Event('e', { cancelable: true })), target.dispatchEvent(new Event('e')))
console.log(await AbortSignal.timeout(5).reason, typeof crypto, new DOMException('m', 'DataCloneError').code, performance.now() > 0, navigatorType(), Object.prototype.toString.call(globalThis), typeof WebSocket, typeof CustomEvent)
function navigatorType() { return typeof navigator }
console.log(new Intl.NumberFormat('de', { style: 'currency', currency: 'EUR' }).format(1234.5).replace(/\s/g, ' '), new Intl.DateTimeFormat('fr', { dateStyle: 'full', timeZone: 'UTC' }).format(0), ['ä', 'z', 'a'].sort(new Intl.Collator('sv').compare).join(), new Intl.PluralRules('ar').select(3), 'İ'.toLocaleLowerCase('tr'), 'ﬁ'.normalize('NFKD'))
