// How programs use the package, as TypeScript sees it: compiled by `tsc --strict`, never run.
import { defineConfig, join, testCluster, MeshError } from 'warren'
import type { Client, Context, Down, Mesh, Msg, Peer, Service, StreamReader } from 'warren'
import { on, once } from 'node:events'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'

export const billing = {
  async charge(input: { cents: bigint; at: Date }, { signal, from, timeLeft }: Context) {
    signal.throwIfAborted()
    return { id: from.id, ok: timeLeft > 0 }
  },
  ping() {
    return 'pong' as const
  },
  sync: (text: string) => text.length,
  maybe: (n?: number) => n ?? 0,
  async *lines({ path }: { path: string }) {
    yield path.length
  },
  file: (path: string) => createReadStream(path),
  later: async () => new ReadableStream<string>(),
  async count(chunks: AsyncIterable<Buffer>) {
    let length = 0
    for await (const chunk of chunks) length += chunk.length
    return length
  },
  async *upper(lines: StreamReader<string>) {
    for await (const line of lines) yield line.toUpperCase()
  },
  anything: (_input: unknown, { headers }: Context) => headers['trace'],
}

export async function services(mesh: Mesh) {
  await using service = await mesh.serve('billing', billing)
  const stats: number = service.stats.requests + service.stats.errors + service.stats.inFlight
  const api = mesh.client<typeof billing>('billing', { timeout: 1000, to: mesh.self })
  const { id, ok }: { id: string; ok: boolean } = await api.charge({ cents: 5n, at: new Date() }, { timeout: 100 })
  const pong: 'pong' = await api.ping()
  const length: number = await api.sync('a')
  await api.maybe()
  await api.maybe(1, { signal: AbortSignal.timeout(5), headers: { trace: '1' } })
  await api.anything()

  // A client can be typed from what serve() gives, and passed on.
  const same: Client<typeof service> = mesh.client<typeof service>('billing')
  await same.charge({ cents: 1n, at: new Date() })
  const loose = mesh.client('whatever')
  const answer: unknown = await loose['any']?.({ deep: [1] })

  // @ts-expect-error cents is a bigint
  await api.charge({ cents: 5, at: new Date() })
  // @ts-expect-error the input is missing
  await api.charge()
  // @ts-expect-error there is no such method
  await api.refund(1)
  // @ts-expect-error handlers are functions
  await mesh.serve('wrong', { value: 1 })
  // @ts-expect-error a method is not to be replaced
  api.ping = async () => 'pong' as const
  // @ts-expect-error timeout is a number of milliseconds
  await api.ping(undefined, { timeout: '5s' })
  return { stats, id, ok, pong, length, answer }
}

export async function streams(mesh: Mesh) {
  const api = mesh.client<typeof billing>('billing')
  let total = 0
  for await (const length of api.lines({ path: '/' }, { timeout: 0 })) total += length
  for await (const text of api.later()) total += text.length
  await using reader = await api.lines({ path: '/' })
  const first: IteratorResult<number> = await reader.next()
  await reader.return?.()
  Readable.from(api.file('/')).pipe(process.stdout)
  const written: number = await api.count(Readable.from([Buffer.alloc(1)]), { signal: AbortSignal.timeout(5) })
  for await (const line of api.upper(new ReadableStream<string>())) total += line.length
  for await (const line of api.upper(api.upper(Readable.from(['a'])))) total += line.length + written
  // @ts-expect-error the handler reads texts
  api.upper(new ReadableStream<number>())
  // @ts-expect-error the handler reads a stream
  api.count(Buffer.alloc(1))
  // @ts-expect-error items are numbers
  for await (const text of api.lines({ path: '/' })) text.trim()
  // @ts-expect-error an answer that is no stream is not read
  for await (const _ of api.sync('a')) total++
  return total + (first.done ? 0 : first.value)
}

export async function subjects(mesh: Mesh) {
  const subscription = mesh.subscribe<{ a: number }>('jobs.>', { queue: 'workers', highWaterMark: 10, overflow: 'drop-oldest' })
  await subscription.ready
  for await (const message of subscription) {
    const a: number = message.data.a
    const isAnswered: boolean = message.wantsResponse && message.respond(a)
    if (!isAnswered) message.respondError(new RangeError('no'))
    break
  }
  subscription.unsubscribe({ discard: true })
  {
    await using short = mesh.subscribe('short')
    void short.queued
  }
  const untyped: Msg = (await mesh.subscribe('x').next()).value
  // @ts-expect-error the data of an untyped subscription is unknown
  untyped.data.a
  // @ts-expect-error no such policy
  mesh.subscribe('x', { overflow: 'explode' })

  if (!mesh.publish('jobs.x', new Map([[1, 2n]]), { headers: { trace: 'x' } })) await once(mesh, 'drain')
  // @ts-expect-error headers are texts
  mesh.publish('jobs.x', 1, { headers: { trace: 1 } })
  const total = await mesh.request<number>('sum', [1, 2], { timeout: 0 })
  await mesh.flush()
  return total + subscription.queued + subscription.dropped
}

export async function peers(mesh: Mesh) {
  mesh.on('peer:up', (peer) => peer.pid.toFixed())
  mesh.on('service:down', (name: string, peer: Peer) => void [name, peer.status])
  mesh.on('gap', ({ peer, direction, count }) => void (direction === 'out' ? peer.name : count.toFixed()))
  mesh.on('error', (err) => err.code === 'ERR_WARREN_AGENT_LOST')
  // @ts-expect-error no such event
  mesh.on('peer:join', () => {})
  for await (const [peer] of on(mesh, 'peer:down')) void peer
  const [first]: Peer[] = await mesh.available('billing', { count: 2, timeout: 50 })
  // @ts-expect-error the list of peers is to be read
  mesh.peers.set('x', mesh.self)
  using monitor = mesh.monitor(first ?? 'id')
  const { reason, code, signal }: Down = await monitor.down
  return reason === 'killed' ? signal : code
}

export async function life() {
  await using mesh = await join({ name: 'tool', maxMessage: 1 << 22 })
  using hook = mesh.onClose(async () => 'done')
  using other = mesh.onClose((signal) => fetch('http://localhost/leaving', { signal }))
  void other
  mesh.ready() satisfies void
  try {
    await mesh.request('x')
  } catch (err) {
    if (err instanceof MeshError && err.code === 'ERR_WARREN_TIMEOUT' && err.delivered === 'no') return err.subject ?? err.peer?.name
    // @ts-expect-error no such code
    if (err instanceof MeshError && err.code === 'ERR_WARREN_OOPS') throw err
  }
  const service: Service = await mesh.serve('any', { x: () => 1 })
  await service.close()
  await mesh.close({ timeout: 10_000 })
  // @ts-expect-error a mesh has no such state
  if (mesh.state === 'isolated') void hook
  const lost: number = mesh.stats.lostPublications
  // @ts-expect-error: counted by the mesh alone
  mesh.stats.lostPublications = lost
  return mesh.state
}

export async function tested() {
  await using cluster = await testCluster(2, { entry: new URL('file:///app.js'), env: { A: 'b' } })
  const [a, b] = cluster.nodes
  if (a === undefined || b === undefined) return 0
  await cluster.partition(a, [b])
  await cluster.heal()
  cluster.pause(a)
  const { code, signal } = await cluster.kill(b, 'SIGTERM')
  const sum: number = await a.run(async (mesh, x, y) => x + y + mesh.peers.size, 1, 2)
  // @ts-expect-error the function takes a number
  await a.run((mesh, x: number) => x + mesh.peers.size, 'text')
  return sum + (code ?? 0) + (signal === null ? 0 : 1)
}

export async function chosen() {
  const mesh = await join()
  await mesh.serve('carts', { add: (n: number) => n }, { tags: { zone: 'a' } })
  mesh.publish('jobs.x', 1, { key: 7n, tags: { zone: 'a' } })
  await mesh.client('carts', { key: 'user-1', retries: 3 }).add?.(1, { tags: { zone: 'a' } })
  // @ts-expect-error tags are texts
  await mesh.request('x', 1, { tags: { zone: 1 } })
}

export const configured = defineConfig({
  services: {
    api: { entry: 'api.js', instances: 'max', limits: { memory: '256M' }, health: { ready: 'listen', timeout: '20s' }, stop: { signal: 'SIGINT' } },
    worker: { entry: 'worker.js', instances: { perHost: 2 }, group: 'shop' },
  },
})
export const later = defineConfig(async () => ({ services: { api: { entry: 'api.js' } } }))
// @ts-expect-error a number, "max" or { perHost }
defineConfig({ services: { api: { entry: 'api.js', instances: 'all' } } })
