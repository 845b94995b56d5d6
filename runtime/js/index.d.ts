// The package `warren`: messages between the nodes of a cluster. In a node that Warren launched it needs no
// installation and no configuration: `import { join } from 'warren'` or `const { join } = require('warren')`.
//
// Units: times are milliseconds, sizes bytes. Subjects follow NATS: tokens between dots, `*` matches one token, a
// final `>` one or more; at most 255 bytes and 16 tokens, without blanks, control characters and lone surrogates. Names
// of services, methods and queue groups: 1 to 255 bytes, without those too. A node has at most 4,096 subscriptions and
// services at a time; a wildcard is one subscription. A message is at most 1 MiB (JoinOptions.maxMessage).
//
// What a message carries: everything that is data, as it was. undefined, NaN, -0, BigInt, holes of arrays, cycles
// and objects that are there twice, Date, Map, Set, RegExp, URL, Buffer (stays one), typed arrays, DataView,
// ArrayBuffer, and errors with class, message, stack, cause, code and own properties. An object of a class of yours
// arrives as a plain object of its own enumerable properties. Anything else (functions, symbols, promises, streams,
// Headers, AbortSignal, SharedArrayBuffer ...) throws ERR_WARREN_NOT_CLONEABLE, which names where it stands:
// `$.user.onChange`; so does what throws or changes while it is read. At most 64 levels deep. What arrives is yours: it shares no memory with anything.
/// <reference types="node" />
import type { EventEmitter } from 'node:events'
import type { Config } from './config.js'
export type { Config, ServiceConfig } from './config.js'

/** What a warren.config.mjs exports, as it is: for editors, which then know the settings (docs/config.md). */
export function defineConfig<T extends Config | (() => Config | Promise<Config>)>(config: T): T

/**
 * Joins the mesh through this host's agent. In a node the agent launched it needs no options; any other process, run by
 * `warren-node` or by a stock Node.js with this package installed, joins the agent at $WARREN_DIR/agent.sock. Each worker
 * thread that joins is a member of its own. Joining again gives the same mesh. A process that has left, by close(), does
 * not come back: ERR_WARREN_CLOSED. Rejects with ERR_WARREN_NO_AGENT when none is running, and in a stock Node.js with
 * ERR_WARREN_NO_ADDON when the native part for this platform is not installed.
 */
export function join(options?: JoinOptions): Promise<Mesh>

/**
 * In a module that `warren run --preload` loads before the nodes are forked: `work` runs some times then, so that what it
 * uses is compiled in all of them. It leaves nothing behind: no timer, no open socket. Anywhere else it is not run.
 */
export function warmUp(work: () => unknown): void

/**
 * For your own tests, under any test runner: an agent of its own and `count` nodes (default 3, at most 64), each a process
 * of this very Node.js, that know each other when the promise resolves. Ends with close(), and with the process that
 * tests, however that ends. Needs the program `warren`: the one beside warren-node, else on the PATH.
 */
export function testCluster(count?: number, options?: TestClusterOptions): Promise<TestCluster>

export interface TestClusterOptions {
  /** A program that every node runs, as a path or URL: it calls join() as always. A node is ready when it has been loaded. */
  entry?: string | URL
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Options of Node.js for the nodes. */
  execArgv?: readonly string[]
  /** The program `warren`. Default $WARREN_PROGRAM. */
  warren?: string
}

export interface TestCluster extends AsyncDisposable {
  readonly nodes: readonly TestNode[]
  /** $WARREN_DIR of its agent. */
  readonly dir: string
  /** More nodes; resolves when all know each other. */
  add(count?: number): Promise<TestNode[]>
  /**
   * From now on nothing passes between a and b, and nobody is told, as when a cable is pulled: calls time out, publish()
   * becomes false. Messages under way wait until heal().
   */
  partition(a: TestNode | readonly TestNode[], b: TestNode | readonly TestNode[]): Promise<void>
  /** Without arguments: everywhere. */
  heal(a?: TestNode | readonly TestNode[], b?: TestNode | readonly TestNode[]): Promise<void>
  /** Its process stands still (SIGSTOP). */
  pause(node: TestNode): void
  resume(node: TestNode): void
  /** Default SIGKILL. Resolves when its process has ended. */
  kill(node: TestNode, signal?: NodeJS.Signals): Promise<TestNodeEnd>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface TestNode extends AsyncDisposable {
  /** Of its peer: `mesh.peers.get(node.id)`. */
  readonly id: string
  /** "n0", "n1" ... */
  readonly name: string
  readonly pid: number
  /** False once its process has ended. */
  readonly isRunning: boolean
  readonly exited: Promise<TestNodeEnd>
  /**
   * Runs a function in the node, with its mesh, and resolves to what it returns (anything that structuredClone takes).
   * The function is sent as text: it sees its arguments and the globals there, `require` and `import()`, and nothing else
   * of the test.
   */
  run<A extends unknown[], R>(work: (mesh: Mesh, ...args: A) => R, ...args: A): Promise<Awaited<R>>
  [Symbol.asyncDispose](): Promise<void>
}

export interface TestNodeEnd {
  readonly id: string
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface JoinOptions {
  /** What lists call this process when it was not launched by the agent. Default `node-PID`. */
  name?: string
  /** The agent's socket, instead of $WARREN_DIR/agent.sock. */
  agentPath?: string
  /**
   * Largest message, both ways: 64 KiB to 16 MiB. Default 1 MiB. Join before a server listens, or it is chosen already.
   */
  maxMessage?: number
}

export interface MeshStats {
  readonly sentMessages: number
  readonly receivedMessages: number
  /** Publications that waited here for a peer when it died, or came when there was no memory for them. */
  readonly lostPublications: number
  /** Answers that came when their caller no longer waited. */
  readonly lateReplies: number
  /** Publications that came for subscriptions that were over. */
  readonly unknownTargets: number
}

/**
 * `drain`: publish() may go on, in that lane. `gap`: publications are lost. `closing`: this node takes no new work from now on, for another instance has its place, its
 * service stops, or close() was called; time to end connections that would last. `error`: the agent went away (ERR_WARREN_AGENT_LOST), or a peer sent what cannot be
 * understood (ERR_WARREN_PROTOCOL); links and messages go on, so without a listener it is a warning, not the end of the
 * process.
 */
export interface MeshEvents {
  'peer:up': [Peer]
  'peer:down': [Peer]
  'service:up': [string, Peer]
  'service:down': [string, Peer]
  drain: [Lane]
  gap: [Gap]
  error: [MeshError]
  closing: []
  close: []
}

/**
 * Publications that are lost, told when `stats.lostPublications` counts them, and ahead of what comes behind them: those in
 * a row together. What a subscription throws away by its `overflow` is none: its `dropped` counts that.
 */
export interface Gap {
  /** Ahead of its `peer:down`, when it is gone. */
  readonly peer: Peer
  /** 'out': published here, for it. 'in': published there, and here was no memory for them. */
  readonly direction: 'out' | 'in'
  /** Of what a link between hosts had sent when it broke for good, some may have come. */
  readonly count: number
}

/**
 * While it serves, subscribes, monitors or waits for an answer or for 'drain', a mesh keeps its process alive;
 * otherwise the process may end by itself.
 */
export interface Mesh extends EventEmitter<MeshEvents> {
  readonly self: Peer
  readonly state: 'open' | 'closing' | 'closed'
  /** Counted since join(). */
  readonly stats: MeshStats
  /** Every other member, by id. */
  readonly peers: ReadonlyMap<string, Peer>

  /**
   * Sends to every subscriber, and to one member of each queue group. True: go on. False: it was accepted, but much is
   * waiting (1 MiB in this lane for one peer): wait for 'drain'. Throws ERR_WARREN_NOT_CLONEABLE, _TOO_LARGE, _BAD_SUBJECT, _BAD_ARGUMENT, _CLOSED,
   * and _OVERLOADED when 8 MiB wait so; then nothing was sent. Nobody subscribed: true.
   */
  publish(subject: string, data: unknown, options?: PublishOptions): boolean
  /**
   * Throws ERR_WARREN_BAD_SUBJECT, _BAD_NAME (of the queue), _BAD_ARGUMENT, _CLOSED, and _OVERLOADED when this node has 4,096
   * subscriptions and services; then there is no subscription.
   */
  subscribe<T = unknown>(subject: string, options?: SubscribeOptions): Subscription<T>
  /** Asks one of the subscribers of the subject (Route says which) and resolves to what it responds. */
  request<R = unknown>(subject: string, data?: unknown, options?: CallOptions & Route): Promise<R>
  /** Resolves once everything published so far was handed to the operating system. */
  flush(): Promise<void>

  /**
   * Offers the functions of an object, or of an instance of a class, under a name; one node serves a name once. Handlers
   * run in the AsyncLocalStorage context of this call, each in one of its own.
   * Resolves when the agent has told every peer. What means something to JavaScript is no name of a method: `then`,
   * `toJSON`, and what every object has. ERR_WARREN_OVERLOADED: this node has 4,096 subscriptions and services.
   *
   * `exclusive`: one node of the cluster serves the name, who has its lease (`ttl` as of a lease); the others stand by, and
   * one takes its place when it ends or loses it. Resolves when this node serves or stands by; ERR_WARREN_NO_QUORUM: it can
   * do neither.
   */
  serve<H extends Handlers>(name: string, handlers: H, options?: ServeOptions): Promise<Service<H>>
  /**
   * Functions of a service, typed from its handlers. Each call goes to one instance (Route says which). It need not
   * be there yet.
   */
  client<S extends Handlers | Service<Handlers> = Handlers>(name: string, defaults?: CallOptions & Route): Client<S>
  /** The peers that serve `name` now. */
  instances(name: string): Peer[]
  /**
   * Resolves when at least `count` (default 1) instances serve `name`. `timeout` is as in CallOptions, without one it
   * waits for ever.
   */
  available(name: string, options?: { count?: number; timeout?: number; signal?: AbortSignal }): Promise<Peer[]>

  /**
   * Resolves when this node is the only one that has `name`: in the whole cluster with etcd, else on this host. It is kept
   * alive until it is released or lost, and keeps the process alive so long (docs/leases.md says what is promised, and what the
   * token is for). Rejects with ERR_WARREN_LEASE_HELD (somebody has it, and `wait` is false or over), _NO_QUORUM (this host
   * is in a cluster without etcd, or the store did not answer in time), _CANCELLED (`signal`), _LEASE_LOST (it ended before it
   * came here), _BAD_NAME, _BAD_ARGUMENT, _CLOSED, _AGENT_LOST, and _OVERLOADED when
   * 256 are had or awaited.
   */
  lease(name: string, options?: LeaseOptions): Promise<Lease>

  /**
   * Fires once, after the last message of that peer was handed over. For a peer that is gone already: at once, reason
   * 'noproc'. Throws ERR_WARREN_OVERLOADED when 65,536 are open.
   */
  monitor(peer: Peer | string): Monitor

  /**
   * Tells the agent that this program can do its work now: what `warren run --ready mesh`, and everything that starts or
   * replaces nodes, waits for. May be called again; where nobody waits it does nothing.
   */
  ready(): void
  /**
   * Runs before the mesh leaves, last added first, while messages can still be sent. `signal` aborts when the timeout of
   * close() is over and nobody waits for it any more.
   */
  onClose(hook: (signal: AbortSignal) => unknown): Disposable
  /** Stops taking new work, waits for handlers and queued bytes (default 5,000 ms), leaves. */
  close(options?: { timeout?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface Peer {
  /** Never used again by another process. */
  readonly id: string
  /** "app.0" */
  readonly name: string
  readonly service: string
  readonly instance: number
  readonly host: string
  readonly pid: number
  readonly status: 'up' | 'down'
}

export type Headers = Record<string, string>

/**
 * What kind of instance it is: `{ zone: 'a' }`. All together at most 255 bytes, without blanks and commas. A node has
 * those of `warren run --tag zone=a` (the variable WARREN_TAGS), and all that it offers has them too.
 */
export type Tags = Record<string, string>

/**
 * What a message travels by. Messages from one node to another keep their order within a lane. 'bulk' is for what is
 * large or can wait: it goes when nothing of 'normal' does (and has a fifth of the bytes when both are full), so small
 * messages never stand behind it.
 */
export type Lane = 'normal' | 'bulk'

export interface PublishOptions {
  headers?: Headers
  /** Default 'normal'. */
  lane?: Lane
  /** Of a queue group: the same key, the same member, as long as the members are the same. */
  key?: string | number | bigint
  /** Only to subscriptions that have these tags. */
  tags?: Tags
  /** Only to subscriptions whose version fits, as in Route. */
  version?: string
}

export interface Msg<T = unknown> {
  readonly subject: string
  readonly data: T
  readonly from: Peer
  readonly headers: Headers
  /** True when the sender used request(): respond() once. */
  readonly wantsResponse: boolean
  /** False: nobody waits (any more), or it was answered already. */
  respond(data: unknown): boolean
  /** Answers with an error: there, the promise is rejected with it. */
  respondError(error: unknown): boolean
}

/** To be read by `for await`; leaving the loop unsubscribes. */
export interface Subscription<T = unknown> extends AsyncIterableIterator<Msg<T>> {
  readonly subject: string
  readonly queued: number
  /** Messages thrown away by the overflow policy. */
  readonly dropped: number
  /**
   * Resolves when the agent has told every peer of it. Rejects, and the loop ends, when that cannot be (the agent is gone:
   * ERR_WARREN_AGENT_LOST); who never looked at it is told by the mesh's 'error'.
   */
  readonly ready: Promise<void>
  /** Takes no new messages; the queued ones can still be read (or are thrown away with discard). */
  unsubscribe(options?: { discard?: boolean }): void
  [Symbol.asyncDispose](): Promise<void>
}

export interface SubscribeOptions {
  /** Each message goes to one member of the group. */
  queue?: string
  /** `{ requests: 'no' }`: hears what is published, and no request goes to it. */
  tags?: Tags
  /**
   * Messages kept for a slow reader before the policy applies. Default 1,024; 4 MiB of them, each counted with 128 bytes
   * more, are enough in any case.
   */
  highWaterMark?: number
  /**
   * What then happens. 'pause', the default: their senders get no more credit until they are read, so publish() becomes
   * false there, for all they send to this node. The others throw messages away and count them; a request among them
   * fails with ERR_WARREN_OVERLOADED.
   */
  overflow?: 'pause' | 'drop-oldest' | 'drop-newest'
  /** Aborted: unsubscribes, throws away what is queued, and ends the loop. */
  signal?: AbortSignal
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handlers = Record<string, (input: any, context: Context) => unknown>
export interface Context {
  /** Aborted when the caller cancels, dies, or its deadline passes. */
  readonly signal: AbortSignal
  readonly from: Peer
  readonly headers: Headers
  /** Milliseconds the caller will still wait; Infinity without a deadline. */
  readonly timeLeft: number
  /** Of an exclusive service: the lease by which it answers this call. */
  readonly lease?: Lease
}
export interface ServeOptions {
  tags?: Tags
  /** What callers choose by with theirs: "2.1.0", "2.1.0-rc.1". It is the tag `version`. */
  version?: string
  exclusive?: boolean | { ttl?: number | string }
}
export interface Service<H extends Handlers = Handlers> {
  readonly name: string
  readonly handlers: H
  /** Of an exclusive service: the lease by which this node serves; undefined while it stands by. */
  readonly lease?: Lease
  readonly stats: { requests: number; errors: number; inFlight: number }
  /** Takes no new calls (those that still come fail with ERR_WARREN_NO_RESPONDERS) and waits for the running ones. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface LeaseOptions {
  /**
   * How long others wait at most when this node, its agent or its host stands still: milliseconds, or a text as '10s' (the
   * default), '2m', '1h'; from 2 s to an hour, whole seconds.
   */
  ttl?: number | string
  /** Default true: until it is free. false: not at all. A number: so many milliseconds. */
  wait?: boolean | number
  /** Aborted: no longer waits. Once the lease is had it does nothing. */
  signal?: AbortSignal
}
export interface Lease extends AsyncDisposable {
  readonly name: string
  /** Larger than that of whoever had it before: for the resource, which refuses a smaller one than it has seen. */
  readonly token: bigint
  /**
   * Whether it is still had, by the clock, now: ask right before what must not be done twice. False for a moment after
   * this process stood still, until it is known whether it was kept alive.
   */
  readonly valid: boolean
  /** Aborted when it is lost; its reason is a MeshError, ERR_WARREN_LEASE_LOST. */
  readonly signal: AbortSignal
  /** Not valid from now on. Resolves when others can have it. */
  release(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

type HandlersOf<S> = S extends Service<infer H> ? H : S
export type Client<S> = {
  readonly [K in keyof HandlersOf<S>]: HandlersOf<S>[K] extends (input: infer I, ...rest: never[]) => infer R
    ? unknown extends I
      ? (input?: I, options?: CallOptions & Route) => Answer<Awaited<R>>
      : undefined extends I
        ? (input?: I, options?: CallOptions & Route) => Answer<Awaited<R>>
        : (input: Input<I>, options?: CallOptions & Route) => Answer<Awaited<R>>
    : never
}
// A handler that reads a stream is given any source of such items.
type Input<I> = I extends AsyncIterable<infer T> ? AsyncIterable<T> : I
type Answer<R> = unknown extends R ? Promise<R> : R extends AsyncIterable<infer T> ? Stream<T> : Promise<R>

/**
 * What a handler answers with an async generator, a Readable or a web ReadableStream: `for await (const item of
 * client.list())`. Items come in order; behind them the loop ends, or throws once: what the source threw, or a
 * MeshError. Leaving the loop, or an abort of the call's `signal`, ends the source: the handler's signal aborts, and a
 * generator runs its `finally`. The server is never more than 64 KiB (from afar
 * 256 KiB) and one item ahead of the reader. `timeout` is
 * for the answer to begin, and then for each item that is awaited. Whoever has called reads it to its end or leaves: one
 * that nobody reads stays open. `Readable.from(stream)`, and `Readable.toWeb()` of that, make it what other code reads.
 *
 * The input of a call may be a stream, too: `client.write(createReadStream(path))`, and in the handler `for await (const
 * chunk of input)`. It ends with the call: an answer, an error or an abort ends its source.
 */
export type Stream<T> = AsyncIterable<T> & PromiseLike<StreamReader<T>>
/** What a stream is when it was awaited: the handler has answered with it. */
export interface StreamReader<T> extends AsyncIterableIterator<T> {
  [Symbol.asyncDispose](): Promise<void>
}

export interface CallOptions {
  /**
   * From now to the answer; of a stream, to each item that is awaited. With an input that is a stream: to when it is read,
   * and from its end to the answer. Default 5,000; 0: no limit. In a handler never more than what is left of the call that
   * it answers.
   */
  timeout?: number
  signal?: AbortSignal
  headers?: Headers
  /** Of the request and of its answer. Default 'normal'. */
  lane?: Lane
  /**
   * How often to try again, within the timeout, while nobody serves it (ERR_WARREN_NO_RESPONDERS: nothing was delivered).
   * After 25 ms, then twice as long each time, at most a second. Default 0. Not with an input that is a stream.
   */
  retries?: number
}
/**
 * Which instance answers. Without a word: the one with fewer open calls of two that are drawn. Never one that is stalled
 * or leaves.
 */
export interface Route {
  /** The one peer (or its id) that must answer; key and tags do not matter then. */
  to?: Peer | string
  /**
   * The same key, the same instance, whoever calls; at most 255 bytes. When one of n instances comes or goes, about 1/n
   * of the keys move, and no others.
   */
  key?: string | number | bigint
  /** Only instances that have these tags; none: ERR_WARREN_NO_RESPONDERS. */
  tags?: Tags
  /**
   * Only instances whose version fits: "2", "2.1", "2.1.0", or "^2.1" (from 2.1.0 on, below 3.0.0). None:
   * ERR_WARREN_NO_RESPONDERS, with the versions that are there.
   */
  version?: string
}

export interface Down {
  readonly peer: Peer
  /**
   * normal: exit code 0 · crash: another code, or a signal of its own making · killed · left: closed its mesh ·
   * noproc: was gone before, or how it ended was missed · restarted: the agent of its host was started again, and nodes
   * end with their agent · unreachable: its host is; whether the node still runs is not known. If that host comes back,
   * so do its nodes that still run, as new peers
   */
  readonly reason: 'normal' | 'crash' | 'killed' | 'left' | 'noproc' | 'restarted' | 'unreachable'
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}
export interface Monitor extends Disposable {
  readonly peer: Peer
  /**
   * Rejects with ERR_WARREN_CLOSED when this mesh closes first. That is no unhandled rejection when nobody looks at it; who
   * uses `down.then(...)` and closes the mesh takes care of it there.
   */
  readonly down: Promise<Down>
  /** Never fires then. */
  cancel(): void
}

/**
 * The events of node:diagnostics_channel. `tracing:warren.request:*` (calls made; a TracingChannel) and
 * `tracing:warren.handle:*` (calls served); `warren.publish`, `warren.receive` and `warren.peer` are plain channels. What a
 * subscriber writes into `headers` of a TracedRequest (at start) or a TracedPublication is sent.
 */
export interface TracedRequest {
  /** Of a call of a service. */
  service?: string
  method?: string
  /** Of mesh.request(). */
  subject?: string
  input: unknown
  headers: Headers
  result?: unknown
  error?: unknown
}
export interface TracedHandler {
  service: string
  method: string
  input: unknown
  from: Peer
  headers: Readonly<Headers>
  result?: unknown
  error?: unknown
}
export interface TracedPublication {
  subject: string
  data: unknown
  headers: Headers
}
export interface TracedMessage {
  subject: string
  data: unknown
  from: Peer
  headers: Readonly<Headers>
}
/** It came, or is gone: `peer.status`. */
export interface TracedPeer {
  peer: Peer
}

export type MeshErrorCode =
  | 'ERR_WARREN_TIMEOUT' | 'ERR_WARREN_CANCELLED' | 'ERR_WARREN_NO_RESPONDERS' | 'ERR_WARREN_NO_METHOD'
  | 'ERR_WARREN_PEER_LOST' | 'ERR_WARREN_OVERLOADED' | 'ERR_WARREN_CLOSED' | 'ERR_WARREN_TOO_LARGE'
  | 'ERR_WARREN_NOT_CLONEABLE' | 'ERR_WARREN_BAD_SUBJECT' | 'ERR_WARREN_BAD_NAME' | 'ERR_WARREN_PROTOCOL'
  | 'ERR_WARREN_NO_AGENT' | 'ERR_WARREN_NO_ADDON' | 'ERR_WARREN_AGENT_LOST' | 'ERR_WARREN_FORBIDDEN'
  | 'ERR_WARREN_LEASE_HELD' | 'ERR_WARREN_LEASE_LOST' | 'ERR_WARREN_NO_QUORUM'

/**
 * An argument that makes no sense (a `ttl` of 1 ms, a timeout that is a text, an option that there is not, as `timout`): a
 * TypeError or a RangeError with this `code`, thrown, or what the promise rejects with.
 */
export interface ArgumentError extends Error {
  readonly code: 'ERR_WARREN_BAD_ARGUMENT'
}

/**
 * Errors of the mesh itself. What handlers throw arrives as the same kind of Error (code, cause and own properties
 * kept), with `delivered: 'maybe'`; what they throw that is no Error, as it is.
 */
export class MeshError extends Error {
  readonly code: MeshErrorCode
  /** 'no': the handler did not run, a retry is safe. */
  readonly delivered: 'no' | 'maybe'
  readonly peer?: Peer
  readonly subject?: string
}
