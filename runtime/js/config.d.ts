// The settings of a warren.config.mjs (docs/config.md). The same keys as config/config.schema.json, which a test compares.

/** Milliseconds, or "500ms", "30s", "5m", "1h", "1d". */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}` | '0'
/** Bytes, or "512K", "256M", "1G". */
export type Size = number | `${number}${'K' | 'M' | 'G' | ''}`
export type Variables = Record<string, string | number | boolean | undefined>

export interface Config {
  $schema?: string
  /** Of the project; default: its directory's. */
  name?: string
  /** For all services, below their own. */
  env?: Variables
  envFile?: string | string[]
  services: Record<string, ServiceConfig>
}

export interface ServiceConfig {
  /** The program, relative to this file. */
  entry: string
  args?: (string | number)[]
  /** Options for Node.js itself. */
  nodeArgs?: (string | number)[]
  /** The directory it runs in; default: this file's. */
  cwd?: string
  /** Modules to load once for all instances, before they are forked. */
  preload?: string | string[]
  /** How many nodes run it (1); "max": one per processor. */
  instances?: number | 'max' | PerHostConfig
  env?: Variables
  /** Files of NAME=value, below `env`. */
  envFile?: string | string[]
  /** Variables of the shell that it gets, by name. */
  passEnv?: string[]
  /** That it listens on. The first one is its PORT, and no two services may have the same. */
  ports?: number[]
  health?: HealthConfig
  restart?: 'on-failure' | 'always' | 'never' | RestartConfig
  stop?: StopConfig
  stall?: StallConfig
  limits?: LimitsConfig
  logs?: LogsConfig
  /** Services that are restarted together. */
  group?: string | GroupConfig
  /** What calls can choose its instances by. */
  tags?: Record<string, string>
  update?: UpdateConfig
  /** On which hosts its instances run. For `warren deploy` alone. */
  placement?: PlacementConfig
  /** What becomes of instances on a host that nobody hears from ("keep": they are waited for). For `warren deploy` alone. */
  disconnect?: 'keep' | DisconnectConfig
  /** Names of secrets that it gets as variables. */
  secrets?: string[]
}

export interface PerHostConfig {
  perHost: number | 'max'
}
export interface HealthConfig {
  /** The sign by which an instance is ready ("auto": the first one it gives). */
  ready?: 'auto' | 'mesh' | 'listen' | 'message' | 'started'
  /** Without its sign, and a good answer where that is asked, by then it is killed (30s). */
  timeout?: Duration
  /** It is well when its own HTTP server answers a GET of this path with 2xx or 3xx: "/healthz", or ":9000/healthz". */
  http?: string
  /** It is well when this method of its own returns: "api.health". */
  call?: string
  /** How often it is asked that (10s). */
  interval?: Duration
  /** For an answer (2s). */
  checkTimeout?: Duration
  /** So many bad answers in a row, and it has crashed (3). */
  failures?: number
}
export interface RestartConfig {
  when?: 'on-failure' | 'always' | 'never'
  /** After more failures than that it has failed for good (5). */
  max?: number
  /** ... within this time (60s). */
  within?: Duration
}
export interface StopConfig {
  signal?: `SIG${string}`
  /** From the signal to SIGKILL (5s). */
  grace?: Duration
}
export interface StallConfig {
  /** Its loop has not turned for so long: at least 1s. */
  after: Duration
  action?: 'stack' | 'terminate' | 'kill'
}
export interface LimitsConfig {
  /** Of each instance, from 32M. */
  memory?: Size
  /** Processors of each instance, from 0.01. */
  cpu?: number
}
export interface LogsConfig {
  /** Of one file (10M). */
  size?: Size
  /** How many are kept (5). */
  files?: number
}
export interface GroupConfig {
  name: string
  strategy?: 'one_for_one' | 'one_for_all' | 'rest_for_one'
}
export interface UpdateConfig {
  /** New instances that start at one time (all; with `warren deploy` 1). */
  parallel?: number
  /** For an old instance to finish what it has (10s). */
  drain?: Duration
  /** So many run the new release alone, before the others (0). This and what follows: for `warren deploy` alone. */
  canary?: number
  /** When the others follow: by hand ("manual"), or once the canaries were healthy for so long. */
  promote?: 'manual' | Duration
  /** More new instances that fail than that, and the old release comes back (0). */
  failures?: number
  /** A new instance must stay healthy for so long (1s). */
  settle?: Duration
  /** For a new instance to become ready (60s). */
  deadline?: Duration
}
export interface PlacementConfig {
  /** A host needs all of them. */
  labels?: Record<string, string>
  /** Evenly over hosts (true), or over the values of a label (false). */
  spread?: boolean | string
  /** Services that it shares no host with. */
  antiAffinity?: string[]
  /** Processors that its host keeps for each instance (`limits.cpu`). */
  cpu?: number
  /** ... and memory (`limits.memory`). */
  memory?: Size
}
/** One of `replace` and `stopAfter`. */
export interface DisconnectConfig {
  /** After this time others stand in for them. */
  replace?: Duration
  /** ... and who stays when they are back ("original"). */
  reconcile?: 'original' | 'standIn' | 'longest'
  /** A host that has not heard of the cluster for so long ends them itself, and only then others are begun. */
  stopAfter?: Duration
}
