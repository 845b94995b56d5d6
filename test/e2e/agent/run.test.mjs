// `warren run`: what people see, and what the program gets and gives.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, sorted } from './harness.mjs'

// Where a start takes more than a second it is no failure of the first start, and tried again.
const SYNTAX_ENDED = /warren: syntax\.0 failed \(exit code 1 (?:within 1 s of its first start\): not restarted|after 5 restarts within 60 s\): not restarted any more)\n$/

test('every line is prefixed with the name of its node', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stdout, stderr } = await box.done(['run', 'args.js', '-i', '4', '--', '--port', '80'])
  assert.equal(code, 0)
  assert.deepEqual(sorted(stdout), [0, 1, 2, 3].map((i) => `args.${i} | ["--port","80"]`))
  assert.deepEqual(sorted(stderr), [0, 1, 2, 3].map((i) => `args.${i} | to stderr`))
})

test('names are padded so that lines begin in one column', async (t) => {
  const box = await Sandbox.open(t)
  const { stdout } = await box.done(['run', 'args.js', '-i', '11'])
  assert.ok(stdout.includes('args.0  | []\n') && stdout.includes('args.10 | []\n'), stdout)
})

test('words after the script and after -- are its arguments', async (t) => {
  const box = await Sandbox.open(t)
  const { stdout } = await box.done(['run', 'args.js', 'a', '--no-prefix', 'b', '--', '-i', '--'])
  assert.equal(stdout, '["a","b","-i","--"]\n')
})

test("the exit code is the program's", async (t) => {
  const box = await Sandbox.open(t)
  assert.equal((await box.done(['run', 'exit.js', '0'])).code, 0)
  assert.equal((await box.done(['run', 'exit.js', '--restart', 'never', '7'])).code, 7)
  assert.equal((await box.done(['run', 'exit.js', '--restart', 'never', '-i', '3', '200'])).code, 200)
})

test('stdin reaches a single instance, to its end', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'echo.js', '--no-prefix'])
  const text = 'some bytes\n'.repeat(20_000)
  proc.stdin.end(text)
  const { code, stdout } = await proc.ended
  assert.equal(code, 0)
  assert.equal(stdout, text)
})

test('several instances read an empty stdin', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'echo.js', '-i', '2'])
  proc.stdin.write('for nobody\n')
  const { code, stdout } = await proc.ended
  assert.equal(code, 0)
  assert.equal(stdout, '')
})

test('a prompt without a newline is shown while the program waits', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'prompt.js'])
  await proc.until(/prompt\.0 \| name\? $/)
  proc.stdin.end('Ada\n')
  const { stdout } = await proc.ended
  assert.equal(stdout, 'prompt.0 | name? hello Ada\n')
})

test('bytes arrive as they were written', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'bytes.js', '--no-prefix'])
  await proc.ended
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  assert.deepEqual(proc.bytes('stdout'), Buffer.concat([all, Buffer.alloc(100_000, 'x'), all]))
})

test('all that a program wrote arrives before its end is told', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stdout, stderr } = await box.done(['run', 'last_words.js', '--restart', 'never'])
  assert.equal(code, 3)
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 20_000)
  assert.ok(lines.at(-1).startsWith('last_words.0 | line 19999'))
  assert.match(stderr, /^warren: last_words\.0 ended \(exit code 3\)\n$/)
})

test('a crashed node is restarted with backoff and the others run on', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', '-i', '2'])
  const [first, second] = await box.probes.take(2)
  process.kill(first.pid, 'SIGKILL')
  const [, delay] = await proc.until(/warren: probe\.\d crashed \(signal SIGKILL\), restarting in (\d+) ms/)
  assert.ok(delay >= 100 && delay <= 120, delay)
  const third = await box.probes.next()
  await proc.until(/probe\.\d restarted \(pid \d+\)/)
  const nodes = await box.nodes()
  assert.deepEqual(nodes.map((node) => node.pid).sort(), [second.pid, third.pid].sort())
  assert.deepEqual(nodes.map((node) => node.restarts).sort(), [0, 1])
  process.kill(third.pid, 'SIGSEGV')
  const [, next] = await proc.until(/crashed \(signal SIGSEGV\), restarting in (\d+) ms/)
  assert.ok(next >= 200 && next <= 240, next)
})

test('a node that keeps crashing is given up, and the run ends with its code', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js'])
  for (let i = 0; i < 6; i++) process.kill((await box.probes.next()).pid, 'SIGABRT')
  const { code, stderr } = await proc.ended
  assert.equal(code, 128 + 6)
  assert.match(stderr, /probe\.0 failed \(signal SIGABRT after 5 restarts within 60 s\): not restarted/)
})

test('--restart never leaves a crashed node alone', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', '--restart', 'never'])
  process.kill((await box.probes.next()).pid, 'SIGKILL')
  assert.equal((await proc.ended).code, 137)
})

test('--restart always runs a program again that ended well', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', 'polite', '--restart', 'always'])
  process.kill((await box.probes.next()).pid, 'SIGTERM')
  await proc.until(/probe\.0 ended \(exit code 0\), restarting in \d+ ms/)
  await box.probes.next()
})

test('the first Ctrl-C stops all gracefully', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', 'polite', '-i', '2'])
  const probes = await box.probes.take(2)
  await proc.until(/probe\.0 \| hello[^]*probe\.1 \| hello|probe\.1 \| hello[^]*probe\.0 \| hello/)
  proc.kill('SIGINT')
  const { code, stdout, stderr } = await proc.ended
  assert.equal(code, 130)
  assert.match(stderr, /warren: stopping probe \(Ctrl-C again kills it\)/)
  assert.equal(stdout.match(/goodbye/g).length, 2)
  await Promise.all(probes.map((probe) => probe.gone))
})

test('the end of each node is told once, also to who asked for it', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', '-i', '2', '--json'])
  await box.probes.take(2)
  await proc.until(/hello[^]*hello/)
  proc.kill('SIGINT')
  const { stdout } = await proc.ended
  const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line)).filter((line) => line.state === 'down')
  assert.deepEqual(events.map((event) => event.node).sort(), ['probe.0', 'probe.1'])
})

test('the second Ctrl-C kills at once', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', 'deaf', '--grace', '3600000'])
  const probe = await box.probes.next()
  await proc.until(/hello/)
  proc.kill('SIGINT')
  await new Promise((resolve) => probe.socket.once('data', resolve)) // it heard SIGTERM and stays
  proc.kill('SIGINT')
  assert.equal((await proc.ended).code, 130)
  await probe.gone
})

test('a hang-up stops all as Ctrl-C does', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', 'polite'])
  const probe = await box.probes.next()
  await proc.until(/hello/)
  proc.kill('SIGHUP')
  const { code, stdout } = await proc.ended
  assert.equal(code, 129)
  assert.match(stdout, /goodbye/)
  await probe.gone
})

test('a program that a signal ends gives 128 and its number, as in a shell', async (t) => {
  const box = await Sandbox.open(t)
  for (const [signal, expected] of [['SIGTERM', 143], ['SIGKILL', 137], ['SIGUSR2', 140]]) {
    const proc = box.warren(['run', 'probe.js', '--restart', 'never'])
    process.kill((await box.probes.next()).pid, signal)
    assert.equal((await proc.ended).code, expected)
  }
})

test('what does not end within its grace time is killed', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', 'deaf', '--grace', '200'])
  const probe = await box.probes.next()
  await proc.until(/hello/)
  proc.kill('SIGTERM')
  const { code, stderr } = await proc.ended
  assert.equal(code, 143)
  assert.match(stderr, /probe\.0 ended \(signal SIGKILL\)/)
  await probe.gone
})

test('a reader that goes away (| head) ends the run quietly', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'flood.js'])
  await proc.until(/flood\.0 \| x/)
  proc.streams.stdout.destroy()
  const { code, stderr } = await proc.ended
  assert.equal(code, 141)
  assert.equal(stderr, '')
})

test('a full stdout does not stop the loop, forked or cold: Node writes to pipes when they have room', async (t) => {
  const box = await Sandbox.open(t)
  for (const options of [[], ['--node-arg=--no-warnings']]) {
    const proc = box.warren(['run', 'full_pipe.js', '--no-prefix', ...options])
    proc.streams.stdout.pause()
    const node = await box.probes.next()
    await node.gone
    assert.deepEqual(node.said, [{ isFull: true }])
    proc.streams.stdout.resume()
    assert.equal((await proc.ended).stdout.length, 16 << 20)
  }
})

test('a slow reader holds up the nodes: nothing is lost, and nothing piles up', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'much.js', '--no-prefix'])
  proc.streams.stdout.pause()
  const node = await box.probes.next() // it writes 64 MiB from now on
  // Until its log has not grown for many questions to the agent: nobody reads what it writes any more.
  const log = path.join(box.state, 'logs', 'much.log')
  for (let quiet = 0, before = 0; quiet < 10; ) {
    assert.equal((await box.nodes())[0]?.pid, node.pid)
    const { size } = fs.statSync(log, { throwIfNoEntry: false }) ?? { size: 0 }
    quiet = size > 0 && size === before ? quiet + 1 : 0
    before = size
  }
  const most = (pid) => Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s*(\d+) kB/)[1])
  const sizes = [most(proc.pid), most(box.agentPid())]
  proc.streams.stdout.resume()
  const { code } = await proc.ended
  assert.equal(code, 0)
  assert.equal(proc.bytes('stdout').length, 64 << 20)
  if (!process.env.SANITIZE) for (const kib of sizes) assert.ok(kib < 24 << 10, String(sizes))
})

test('--json prints one object per line', async (t) => {
  const box = await Sandbox.open(t)
  const { stdout, stderr } = await box.done(['run', 'args.js', '--json', 'x'])
  const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line))
  assert.equal(stderr, '')
  assert.deepEqual(lines[0], { type: 'started', service: 'args', instances: 1, limits: null })
  assert.deepEqual(lines.at(-1), { type: 'ended', service: 'args', exitCode: 0 })
  const out = lines.find((line) => line.type === 'output' && line.stream === 'stdout')
  assert.equal(out.node, 'args.0')
  assert.equal(out.data, '["x"]\n')
  assert.match(out.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('a missing script is one sentence, and nothing is launched', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stderr } = await box.done(['run', 'nope.js'], { cwd: box.dir })
  assert.equal(code, 2)
  assert.equal(stderr, `warren: cannot run nope.js: no such file (in ${fs.realpathSync(box.dir)})\n`)
  assert.ok(!fs.existsSync(box.state))
})

test('a syntax error is shown, and it is said why it is not started again', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stderr } = await box.done(['run', 'syntax.js'])
  assert.equal(code, 1)
  assert.match(stderr, /syntax\.0 \| SyntaxError: /)
  assert.match(stderr, SYNTAX_ENDED)
})

test('--cwd, --name and --node-arg reach the program', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.warren(['run', 'probe.js', '--cwd', box.dir, '--name', 'shop', '--node-arg=--no-warnings'])
  const probe = await box.probes.next()
  assert.equal(probe.cwd, fs.realpathSync(box.dir))
  await proc.until(/shop\.0 \| hello/)
  const [node] = await box.nodes()
  assert.equal(node.cold, true)
})

test('a directory runs as node runs it', async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(path.join(box.dir, 'pack'))
  fs.writeFileSync(path.join(box.dir, 'pack', 'index.js'), 'console.log(process.argv[1])')
  const { stdout } = await box.done(['run', 'pack'], { cwd: box.dir })
  assert.equal(stdout, `pack.0 | ${path.join(fs.realpathSync(box.dir), 'pack', 'index.js')}\n`)
})

test('bad usage says what is wrong and what was meant', async (t) => {
  const box = await Sandbox.open(t)
  for (const [args, sentence] of [
    [['run', 'args.js', '--instnaces', '4'], 'there is no option --instnaces: did you mean --instances?'],
    [['run', 'args.js', '-i', '0'], '--instances is a number from 1 to 1000, or max (one per processor), not "0"'],
    [['run', 'args.js', '--name', 'a b'], '"a b" cannot be a name: it begins with a letter or digit, has up to 63 letters, digits, - and _, and is not "all"'],
    [['run', 'args.js', '--name', '-x'], '"-x" cannot be a name: it begins with a letter or digit, has up to 63 letters, digits, - and _, and is not "all"'],
    [['run', 'args.js', '--restart', 'alway'], '--restart is on-failure, always or never, not "alway": did you mean always?'],
    [['run'], 'run what? `warren run app.js`'],
    [['rum'], 'there is no command rum: did you mean run?'],
    [['bogus'], 'there is no command bogus (`warren help` lists them)'],
    [['run', 'args.js', 'x'.repeat(125_000)], /^warren: arguments and environment are too long: 122 KiB/],
  ]) {
    const { code, stderr, stdout } = await box.done(args)
    assert.equal(code, 2, stderr)
    assert.equal(stdout, '')
    if (sentence instanceof RegExp) assert.match(stderr, sentence)
    else assert.equal(stderr.split('\n')[0], `warren: ${sentence}`)
  }
})

test('help asked for help lists the commands', async (t) => {
  const box = await Sandbox.open(t)
  const whole = await box.done(['help'])
  for (const args of [['help', '--help'], ['help', '-h'], ['--help']]) assert.deepEqual(await box.done(args), whole)
  assert.match(whole.stdout, /^Commands:$/m)
  assert.equal(whole.code, 0)
})

test('every command has help with an example', async (t) => {
  const box = await Sandbox.open(t)
  for (const command of ['run', 'agent', 'ps', 'logs', 'stop', 'version', 'init', 'issuer', 'token', 'join', 'leave', 'hosts', 'doctor']) {
    const { code, stdout } = await box.done([command, '--help'])
    assert.equal(code, 0)
    assert.match(stdout, /^Usage: warren /m)
    assert.match(stdout, /^Example:\n {2}warren /m)
    const [usage] = stdout.match(/^Usage: .*/m)
    if (usage.includes('OPTIONS')) continue
    for (const [, letter, name] of stdout.matchAll(/^ {2}(-.|  )[ ,] --([a-z-]+)/gm)) {
      if (name !== 'help') assert.ok(usage.includes(`--${name}`) || usage.includes(letter.trim() || `--${name}`), `${usage} lacks --${name}`)
    }
  }
  assert.equal((await box.done(['version'])).stdout.split(' ')[0], 'warren')
})
