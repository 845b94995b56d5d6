// The same programs as `warren-node app.js` and as nodes forked from a zygote: what `node` does is what both do.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Zygote, program, run } from './harness.mjs'

// name, program, what it must print, and options: args, stdin, env, cwd; code (0), signal, stderr (a pattern; default: none)
const CASES = [
  ['a CommonJS entry gets its arguments', 'entry.cjs', "true entry.cjs [ 'a', 'b c' ] function\n2 true true []\n", { args: ['a', 'b c'] }],
  ['an ES module entry gets its arguments', 'entry.mjs', "entry.mjs [ 'x' ] function true function\n", { args: ['x'] }],
  ['an entry is found without its extension', 'plain', 'plain object function\n'],
  ['a directory is run by its package.json', 'package', 'package undefined true\n'],
  ['the environment is the given one and can be changed', 'environment.cjs', 'hello undefined true 19\n9 Asia/Tokyo\nhello for children\n[]\n',
    { env: { GREETING: 'hello', TZ: 'America/New_York' } }],
  ['the working directory is the given one', 'directory.cjs', 'package true true\nprograms true\n', { cwd: program('package') }],
  ['stdin is read as a stream', 'stdin.cjs', 'SOME\nLINES\n', { stdin: 'some\nlines' }],
  ['stdin is read at once', 'stdin-sync.cjs', '9\n', { stdin: 'some text' }],
  ['exit codes and exit events', 'exit-events.cjs', 'beforeExit 7\nonce more\nbeforeExit 7\nexit 7\n', { code: 7 }],
  ['process.exit() loses no output', 'exit-call.cjs', 'x'.repeat(60000) + '\nexit 3\n', { code: 3 }],
  ['an uncaught error ends the program', 'throws.cjs', 'exit 1\n', { code: 1, stderr: /throws\.cjs:2[^]*TypeError: boom\n    at deep/ }],
  ['an uncaught error in a callback ends the program', 'throws-later.mjs', '', { code: 1, stderr: /Error: later/ }],
  ['an unhandled rejection ends the program', 'rejects.mjs', '', { code: 1, stderr: /Error: nobody cares/ }],
  ['errors can be caught globally', 'catches.cjs', 'caught a uncaughtException\nrejected b\n'],
  ['a top-level await that nobody ends gives code 13', 'hangs.mjs', '', { code: 13, stderr: /^(|Warning: Detected unsettled[^]*)$/ }],
  ['a syntax error in CommonJS', 'syntax.cjs', '', { code: 1, stderr: /SyntaxError/ }],
  ['a syntax error in an ES module', 'syntax.mjs', '', { code: 1, stderr: /SyntaxError/ }],
  ['a module that is not there', 'no-module.cjs', '', { code: 1, stderr: /Cannot find module 'not-installed-anywhere'/ }],
  ['abort', 'aborts.cjs', '', { signal: 'SIGABRT', stderr: /./ }],
  ['a stack overflow is an error like others', 'overflow.cjs', 'RangeError\n'],
  ['no signal is blocked; SIGPIPE and SIGXFSZ are ignored', 'signal-state.cjs', 'blocked 0n ignored 16781312n\n'],
  ['Workers compute, fail and are ended', 'worker.cjs', '42 function true\nerror in worker\nexit 1\nterminated 1\n'],
  ['a program ends while a Worker runs', 'worker-exit.cjs', '', { code: 4 }],
  ['child_process.fork', 'forks.cjs', '{"question":[1,"1970-01-01T00:00:00.000Z"],"join":"function","args":["child","x"]}\nchild 0\n'],
  ['node:cluster', 'cluster.cjs', 'served by 2 true\nworkers ended 5\n'],
  ['child processes', 'spawns.cjs', 'in /bin/sh\ndescriptors of a child 3\nexit 6\n'],
  ['clocks begin with the process', 'clocks.cjs', 'true true true true true\ntrue true\ntrue\nfired 1\n'],
  ['locale and time zone', 'locale.cjs', 'en-US 1,234.5 Thu Jan 01 1970 01:00:00 GMT+0100 (Central European Standard Time)\n',
    { env: { TZ: 'Europe/Berlin' } }],
  ['the inspector opens', 'inspects.cjs', '42\n1.1\n', { stderr: /Debugger listening on ws/ }],
  ['compiler, collector, thread pool and WebAssembly', 'works-hard.cjs', /^\d+ [0-9a-f]{32} 1000000 42\n$/],
  ['asynchronous contexts, reports and vm', 'hooks.cjs', '1\nfalse true\n2\nkept\n'],
  ['HTTP server and fetch', 'serves.cjs', '200 echo\n', { stderr: /^(|.*ExperimentalWarning: The Fetch API[^]*)$/ }],
  ['an HTTPS server and those who trust it or do not', 'serves-https.cjs',
    '200 secret TLSv1.3 true\n200 secret TLSv1.2 true\nDEPTH_ZERO_SELF_SIGNED_CERT\nERR_TLS_CERT_ALTNAME_INVALID\n'],
  ['child processes that cannot be started', 'spawn-fails.cjs',
    'missing ENOENT ENOENT\nno interpreter ENOENT ENOENT\nno program EACCES EACCES\nno directory ENOENT ENOENT\ntoo long throws E2BIG E2BIG\nfine\n'],
  ['warnings are printed', 'warns.cjs', '', { stderr: /Warning: careful[^]*DEP0005/ }],
  ['DNS servers and look-ups', 'servers-of-dns.cjs', 'true function\nnull true\n'],
  ['UV_THREADPOOL_SIZE', 'threadpool.cjs', '2\n', { env: { UV_THREADPOOL_SIZE: '2' } }],
]

function check(result, stdout, { code = 0, signal = null, stderr = /^$/ } = {}) {
  if (stdout instanceof RegExp) assert.match(result.stdout, stdout)
  else assert.equal(result.stdout, stdout, result.stderr)
  assert.match(result.stderr, stderr)
  assert.deepEqual({ code: result.code, signal: result.signal }, { code: signal ? null : code, signal })
}

describe('a program run by itself', { concurrency: 2 }, () => {
  for (const [name, file, stdout, options = {}] of CASES) {
    test(name, async () => check(await run([program(file), ...options.args ?? []], options), stdout, options))
  }
})

describe('a node forked from a zygote', { concurrency: 2 }, () => {
  let zygote
  before(async () => { zygote = await Zygote.boot() })
  after(() => zygote.close())
  for (const [name, file, stdout, options = {}] of CASES) {
    test(name, async () => {
      const node = await zygote.run([program(file), ...options.args ?? []], options)
      assert.equal(node.error, '')
      assert.equal(node.coldReason, '')
      check(node, stdout, options)
    })
  }
})

describe('a node that an agent starts cold', { concurrency: 2 }, () => {
  let zygote
  before(async () => { zygote = await Zygote.boot() })
  after(() => zygote.close())
  for (const name of ['entry.cjs', 'entry.mjs', 'plain', 'environment.cjs', 'forks.cjs', 'cluster.cjs', 'spawns.cjs', 'spawn-fails.cjs', 'serves-https.cjs', 'identity.cjs']) {
    const [, , stdout = /^{.*}\n$/, options = {}] = CASES.find(([, file]) => file === name) ?? []
    test(name, async () => {
      const env = { ...options.env, NODE_NO_WARNINGS: '1' }
      const node = await zygote.run([program(name), ...options.args ?? []], { ...options, env })
      assert.equal(node.coldReason, 'NODE_NO_WARNINGS is read when Node boots')
      check(node, stdout, options)
    })
  }
})
