// What goes wrong gives one clear sentence, and nothing else breaks.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { POKE, Sandbox, WARREN, programs } from './harness.mjs'

const isRoot = process.getuid() === 0
const HELLO = '1001' // a command line of protocol 1
const HELLO_NODE = '08011001'

async function poke(box, ...packets) {
  const { code, stdout } = await box.start(POKE, [path.join(box.state, 'agent.sock'), ...packets]).ended
  return { code, lines: stdout.trimEnd().split('\n') }
}

test('a state directory that others may enter is refused', async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(box.state, { mode: 0o755 })
  for (const args of [['agent'], ['run', 'args.js']]) {
    const { code, stderr } = await box.done(args)
    assert.equal(code, 1)
    assert.equal(stderr, `warren: will not use ${box.state}: others may enter it (\`chmod 700\` it, or choose another WARREN_DIR)\n`)
  }
})

test('doctor only looks', async (t) => {
  const box = await Sandbox.open(t)
  const { stdout } = await box.done(['doctor'])
  assert.match(stdout, /^ok +state +.*\/state \(not made yet\)$/m)
  assert.match(stdout, /^ok +cluster +none/m)
  assert.ok(!fs.existsSync(box.state))
})

test('doctor shows damaged keys and settings though no agent is running', async (t) => {
  const box = await Sandbox.open(t)
  assert.equal((await box.done(['init', '--name', 'ada', '--listen', '127.0.0.1:7434'])).code, 0)
  for (const [name, why] of [['host.key', 'it is damaged or not whole'], ['config.json', 'it is no JSON object']]) {
    const file = path.join(box.state, 'cluster', name)
    const whole = fs.readFileSync(file)
    fs.writeFileSync(file, whole.subarray(0, 20))
    const { code, stdout } = await box.done(['doctor'])
    assert.equal(code, 1)
    assert.match(stdout, /^problem +agent +none is running/m)
    assert.match(stdout, new RegExp(`^problem +cluster +cannot use ${file}: ${why} \\(`, 'm'))
    fs.writeFileSync(file, whole)
  }
})

test('a state directory that is a symbolic link or a file is told as such', async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(path.join(box.dir, 'real'), { mode: 0o700 })
  fs.symlinkSync('real', box.state)
  for (const args of [['agent'], ['run', 'args.js']]) {
    const { code, stderr } = await box.done(args)
    assert.deepEqual([code, stderr], [1, `warren: will not use ${box.state}: it is a symbolic link (set WARREN_DIR to the directory that it leads to)\n`])
    const slashed = await box.done(args, { env: { WARREN_DIR: `${box.state}//` } })
    assert.deepEqual([slashed.code, slashed.stderr], [code, stderr])
  }
  fs.unlinkSync(box.state)
  fs.writeFileSync(box.state, '')
  for (const args of [['agent'], ['run', 'args.js'], ['ps']]) {
    const { code, stderr } = await box.done(args)
    assert.deepEqual([code, stderr], [1, `warren: ${box.state} is not a directory: choose another WARREN_DIR\n`])
  }
})

test('a directory of logs that is a symbolic link or a file is told with what to do about it', async (t) => {
  const box = await Sandbox.open(t)
  const logs = path.join(box.state, 'logs')
  fs.mkdirSync(path.join(box.dir, 'real'), { mode: 0o700 })
  fs.mkdirSync(box.state, { mode: 0o700 })
  fs.symlinkSync('../real', logs)
  const { code, stderr } = await box.done(['agent'])
  assert.deepEqual([code, stderr], [1, `warren: will not use ${logs}: it is a symbolic link (remove it, or put a directory there)\n`])
  fs.unlinkSync(logs)
  fs.writeFileSync(logs, '')
  const file = await box.done(['agent'])
  assert.deepEqual([file.code, file.stderr], [1, `warren: will not use ${logs}: it is not a directory (remove it, or put a directory there)\n`])
})

test("somebody else's state directory is refused", { skip: !isRoot && 'needs root' }, async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(box.state, { mode: 0o700 })
  fs.chownSync(box.state, 65534, 65534)
  const { code, stderr } = await box.done(['agent'])
  assert.equal(code, 1)
  assert.match(stderr, /^warren: will not use .*: it belongs to user 65534, not to user 0/)
})

test('another user is refused by the socket itself', { skip: !isRoot && 'needs root' }, async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  // As if the directory were open: only the credentials are left to stop it.
  for (const [file, mode] of [[box.dir, 0o755], [box.state, 0o755], [path.join(box.state, 'agent.sock'), 0o666]]) fs.chmodSync(file, mode)
  const copy = path.join(box.dir, 'poke')
  fs.copyFileSync(POKE, copy)
  const other = box.start('setpriv', ['--reuid=65534', '--clear-groups', copy, path.join(box.state, 'agent.sock'), HELLO, '1200'])
  assert.match((await other.ended).stdout, /^(Connection reset by peer\n)?closed\n$/) // as it is found closed while it writes, or later
  await agent.until(/a connection of user 65534 is refused: this agent is user 0's/)
})

test('malformed and huge packets close their own connection and nothing else', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const run = box.warren(['run', 'probe.js'])
  const probe = await box.probes.next()
  for (const packets of [['ffff'], ['x131073'], ['x131072'], [HELLO, 'ffff'], [HELLO, 'x200000']]) {
    const from = agent.output.length
    const { lines } = await poke(box, ...packets)
    const greetings = packets[0] === HELLO ? 1 : 0
    assert.deepEqual(lines.slice(greetings), ['closed'], packets.join(' '))
    const [line] = await agent.until(/a connection \(pid \d+\) is closed: .*\n/, from)
    assert.equal(agent.output.slice(from).split(line).length, 2) // one line
  }
  // As a node: Welcome, then it is refused with a sentence.
  const { lines } = await poke(box, HELLO_NODE, 'ffff')
  assert.equal(lines.length, 3)
  await agent.until(/node-\d+ \(pid \d+\): it sent a message that cannot be read; its connection is closed/)
  assert.equal((await box.nodes())[0].pid, probe.pid)
  assert.equal(run.isOver, undefined)
})

const field = (number, bytes) => { // of protobuf
  const len = Buffer.byteLength(bytes)
  return Buffer.from([number << 3 | 2, len & 0x7f | 0x80, len >> 7 & 0x7f | 0x80, len >> 14, ...Buffer.from(bytes)])
}

test('what would not fit in the answers about it is not run', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  assert.equal((await box.done(['run', '-d', '--name', 'app', programs + '/probe.js'])).code, 0)
  const run = (entry, variable) => field(1, Buffer.concat([field(2, entry), field(5, '/'), field(4, variable), Buffer.from('30014801', 'hex')]))
  const packets = [run(`/${'x'.repeat(4096)}`, ''), run('/x.js', `A=${'x'.repeat(130_900)}`)].map((bytes, i) => {
    const file = path.join(box.dir, `packet${i}`)
    fs.writeFileSync(file, bytes)
    return `@${file}`
  })
  const poked = box.start(POKE, [path.join(box.state, 'agent.sock'), HELLO, ...packets])
  await poked.until(/^\d+\n\d+\n\d+\n/)
  assert.deepEqual((await box.nodes()).map(({ name }) => name), ['app.0'])
})

test('a service that was left running stays so, whatever a request to change it says', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const entry = path.join(box.dir, 'app.js')
  fs.writeFileSync(entry, 'setInterval(() => {}, 1000)\n')
  assert.equal((await box.done(['run', '-d', '--name', 'app', entry])).code, 0)
  const run = Buffer.concat([field(2, entry), field(5, box.dir), Buffer.from('3001', 'hex')]) // no `detach`
  const reload = field(13, Buffer.concat([field(1, 'app'), field(4, run)]))
  box.start(POKE, [path.join(box.state, 'agent.sock'), HELLO, reload.toString('hex')])
  await agent.until(/app is changed/)
  const { code, stderr } = await box.done(['agent', 'restart'])
  assert.equal(code, 0, stderr)
})

test('another protocol is told so', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const { lines } = await poke(box, '1063')
  assert.equal(lines.length, 2) // a sentence, then the end
  assert.equal(lines[1], 'closed')
})

test('a path that is too long for a socket is one sentence', async (t) => {
  const box = await Sandbox.open(t)
  for (const args of [['ps'], ['run', 'args.js'], ['agent']]) {
    const { code, stderr } = await box.done(args, { env: { WARREN_DIR: path.join(box.dir, 'x'.repeat(100)) } })
    assert.equal(code, 2)
    assert.equal(stderr, 'warren: the path of the state directory is too long for a socket in it: choose a shorter WARREN_DIR\n')
  }
})

test('a warren-node that is not there, or does not work, is one clear failure', async (t) => {
  const box = await Sandbox.open(t)
  const missing = await box.done(['run', 'args.js'], { env: { WARREN_NODE: '/nowhere/warren-node' } })
  assert.deepEqual([missing.code, missing.stderr],
    [1, 'warren: args.0 could not be started: cannot start warren-node: /nowhere/warren-node: No such file or directory\n'])
  const broken = await box.done(['run', 'args.js'], { env: { WARREN_NODE: '/bin/false' } })
  assert.deepEqual([broken.code, broken.stderr],
    [1, 'warren: args.0 could not be started: cannot start warren-node: /bin/false: it ended with exit code 1 before it was ready\n'])
  const script = path.join(box.dir, 'script')
  fs.writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 })
  const uninterpreted = await box.done(['run', 'args.js'], { env: { WARREN_NODE: script } })
  assert.deepEqual([uninterpreted.code, uninterpreted.stderr],
    [1, `warren: args.0 could not be started: cannot start warren-node: ${script}: its interpreter or loader is not there\n`])
})

// `warren ARGS` in a shell, with `redirections`.
const redirected = (box, args, redirections) => box.start('sh', ['-c', `"$0" "$@" ${redirections}`, WARREN, ...args]).ended

test('closed standard streams harm nothing, and what is written to one is told as lost', async (t) => {
  const box = await Sandbox.open(t)
  const none = '<&- >&- 2>&-'
  assert.equal((await redirected(box, ['ps'], none)).code, 4)
  for (const closed of ['<&-', '>&-', '2>&-', none]) assert.equal((await redirected(box, ['run', 'exit.js', '3'], closed)).code, 3, closed)
  await redirected(box, ['run', '-d', 'probe.js'], none)
  await box.probes.next()
  assert.equal((await box.nodes()).length, 1)
  assert.deepEqual(await redirected(box, ['ps'], '<&- >&-'), { code: 1, signal: null, stdout: '', stderr: 'warren: cannot write the output: Bad file descriptor\n' })
  assert.equal((await redirected(box, ['stop', 'probe'], '<&- 2>&-')).code, 0)
})

test('what cannot be written is a failure', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const run = ['run', '-d', 'probe.js', '--json']
  for (const args of [run, ['ps'], ['ps', '--json'], ['version'], ['help'], ['ps', '--help'], ['stop', 'probe'], ['init'], ['token', 'create'], ['hosts', '--watch']]) {
    const { code, stderr } = await redirected(box, args, '> /dev/full')
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr, /(^|\n)warren: cannot write the output: No space left on device\n$/)
  }
})

test('a reader that went away is no failure to tell of', async (t) => {
  const box = await Sandbox.open(t)
  const proc = box.start('sh', ['-c', '{ read go; "$0" version; echo $? >&2; } | { exec <&-; echo gone >&2; }', WARREN])
  await proc.until(/gone\n/)
  proc.stdin.end('go\n')
  assert.equal((await proc.ended).stderr, 'gone\n141\n')
})

// Everything of the program is seen, and the agent says once that it could not be kept: again only when there was room meanwhile.
async function checkFullLog(box, agent) {
  const { code, stdout } = await box.done(['run', 'last_words.js', '--no-prefix', '--restart', 'never'])
  assert.equal(code, 3)
  assert.equal(stdout.split('\n').length, 20_001)
  const said = Array.from(agent.output.matchAll(/(cannot write) .*last_words\.log|last_words\.log (is written again)/g), ([, no, yes]) => no ?? yes)
  assert.equal(said[0], 'cannot write')
  assert.ok(said.every((words, i) => words !== said[i - 1]), `${said}`)
  assert.equal((await box.done(['ps'])).code, 0)
}

test('a full disk is said once and everything runs on', { skip: !isRoot && 'needs root' }, async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(box.state, { mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', box.state])
  try {
    const agent = await box.agent()
    await checkFullLog(box, agent)
    assert.match(agent.output, /last_words\.log: No space left on device \(nodes run on, their output is not kept\)/)
  } finally {
    execFileSync('umount', ['-l', box.state])
  }
})

test('a limit on the size of files is no end either', async (t) => {
  const box = await Sandbox.open(t)
  const agent = box.start('prlimit', ['--fsize=65536', WARREN, 'agent'])
  await agent.until(/listens on/)
  await checkFullLog(box, agent)
})

test('a follower of logs that is too slow is told how much it missed, and holds up nobody', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const first = box.warren(['run', 'probe.js', '--name', 'much'])
  await box.probes.next()
  const follower = box.warren(['logs', '-f', '--no-prefix'])
  await follower.until(/hello/)
  follower.streams.stdout.pause()
  const { code } = await box.done(['run', 'much.js'])
  assert.equal(code, 0)
  follower.streams.stdout.resume()
  const [, missed] = await follower.until(/warren: (\d+) lines are left out here: they came faster than they were read\n/)
  const after = await box.done(['run', 'args.js', 'after'])
  assert.equal(after.code, 0)
  await follower.until(/\["after"\]/) // it goes on
  assert.equal(follower.text('stdout').match(/z{1023}\n/g).length + Number(missed), 65_536)
  follower.kill('SIGINT')
  assert.equal((await follower.ended).code, 130)
  assert.equal(first.isOver, undefined)
})

test('an agent that is stopped is told of by every command, also when its queue of connections is full', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  const run = box.warren(['run', 'probe.js'])
  const probe = await box.probes.next()
  agent.kill('SIGSTOP')
  const commands = [['ps'], ['logs'], ['stop', 'probe'], ['run', 'args.js'], ['run', '-d', 'args.js']]
  for (const { code, stderr } of await Promise.all(commands.map((args) => box.done(args)))) {
    assert.equal(code, 124)
    assert.equal(stderr, `warren: the agent in ${box.state} (pid ${agent.pid}) has not answered for 5 s: ` +
      `it is stopped or stuck (\`kill -CONT ${agent.pid}\` wakes a stopped one)\n`)
  }
  const crowd = await Promise.all(Array.from({ length: 150 }, () => box.done(['ps'])))
  assert.ok(crowd.every(({ code }) => code === 124))
  assert.ok(crowd.some(({ stderr }) => /takes no connections: it is stopped, stuck or overrun\n$/.test(stderr)))
  agent.kill('SIGCONT')
  assert.equal((await box.done(['ps'])).code, 0) // nobody's connection is lost with the others
  run.kill('SIGINT')
  await Promise.all([run.ended, probe.gone])
})

test('what a file is called reaches no terminal as an order', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  const file = path.join(box.dir, 'odd\x1b[31m\nname.js')
  fs.copyFileSync(path.join(programs, 'probe.js'), file)
  assert.equal((await box.done(['run', '-d', '--name', 'odd', file])).code, 0)
  const { stdout } = await box.done(['ps'])
  assert.match(stdout, /odd\?\[31m\?name\.js\n$/)
  assert.equal(stdout.split('\n').length, 3) // heading, one node, the end
})

test('connections that say nothing keep nobody out', async (t) => {
  const box = await Sandbox.open(t)
  const agent = await box.agent()
  for (let i = 0; i < 256; i++) box.start(POKE, [path.join(box.state, 'agent.sock')])
  for (let asked = await box.done(['ps']); !/has said nothing and others wait/.test(agent.output); asked = await box.done(['ps']))
    assert.equal(asked.code, 0, asked.stderr)
  assert.equal((await box.done(['ps'])).code, 0)
})
