// A service in JavaScript for the interop tests: what the other side sent, as JavaScript sees it.
import { inspect, isDeepStrictEqual } from 'node:util'
import { join } from 'warren'

class Coded extends Error {}

const shared = { name: 'shared' }
const samples = {
  plain: { a: 1, b: [null, true, 1.5, 'é', -70000, 2 ** 40] },
  undefined: { gone: undefined },
  map: new Map([[1, 'one'], ['two', 2]]),
  set: new Set([1, 'a']),
  big: [2n ** 70n, -(2n ** 63n), 5n],
  date: [new Date(1500), new Date(-1), new Date(NaN)],
  typed: [new Uint16Array([1, 258]), new Float64Array([0.5])],
  bytes: Buffer.from('ab'),
  regexp: /a+/gi,
  url: new URL('http://h/p?q=1'),
  error: Object.assign(new TypeError('wrong', { cause: new RangeError('why') }), { code: 'E_X' }),
  repeated: [shared, new Map([['k', shared]]), shared],
  cycle: (() => { const cycle = { list: [] }; cycle.list.push(cycle); return cycle })(),
  holes: [1, , 3], // eslint-disable-line no-sparse-arrays
  shapes: Array.from({ length: 50 }, (_, i) => ({ id: i, name: `n${i}`, tags: ['x'] })),
  long: 'x'.repeat(300_000),
}

const mesh = await join()
let received = []
const subscription = mesh.subscribe('interop.*')
const reading = (async () => {
  for await (const { data, subject } of subscription) received.push([subject, data])
})()
await mesh.serve('echo', {
  echo: (value) => value,
  inspect: (value) => inspect(value, { depth: 9, breakLength: Infinity, compact: 100 }),
  sample: (name) => samples[name],
  isSample: ({ name, value }) => isDeepStrictEqual(value, samples[name]),
  throws: () => { throw Object.assign(new Coded('no luck'), { code: 'E_LUCK' }) },
  received: () => { const all = received; received = []; return all },
  headers: (_, { headers }) => ({ ...headers }),
  silent: () => new Promise(() => {}),
  available: (name) => mesh.available(name).then(() => true),
  say: ({ subject, value, lane }) => mesh.publish(subject, value, { lane }),
  callPython: async ({ method, value, lane }) => mesh.client('python')[method](value, { lane }),
  callPythonError: async (method) => mesh.client('python')[method]('x').then(() => 'no error', (error) =>
    [error.name, error.code, error.message, inspect(error.cause)]),
  callPythonBroken: () => mesh.client('python').broken('x').then(() => 'no error', (error) => [error.code, error.delivered, error.message]),
  callPythonLate: async () => mesh.client('python').slow('x', { timeout: 100 }).then(() => 'no error', (error) => error.code),
  streamToPython: async () => {
    let isEnded = false
    async function* source() { try { yield 1 } finally { isEnded = true } }
    const stream = source()
    const error = await mesh.client('python').double(stream).then(() => null, (error) => error)
    return [error?.code, error?.delivered, isEnded || (await stream.next()).done]
  },
})
console.log('ready')
await reading
