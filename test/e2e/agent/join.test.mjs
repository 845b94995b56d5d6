// `warren join`: a host with a token becomes one of the cluster, once; whatever is wrong is told, and leaves nothing behind.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox } from './harness.mjs'
import { freePort } from '../ports.mjs'

// An issuer with its agent, and a second sandbox that would like to come in.
async function scene(t) {
  const issuer = await Sandbox.open(t)
  issuer.port = await freePort()
  const { code, stdout, stderr } = await issuer.done(['init', '--json', '--name', 'first', '--listen', `127.0.0.1:${issuer.port}`])
  assert.equal(code, 0, stderr)
  issuer.said = JSON.parse(stdout)
  issuer.open = async () => {
    issuer.door = await issuer.agent()
    await issuer.door.until(/this host is first in its cluster/)
  }
  issuer.token = async (...args) => {
    const made = await issuer.done(['token', 'create', ...args])
    assert.equal(made.code, 0, made.stderr)
    return made.stdout.trim()
  }
  await issuer.open()
  const host = await Sandbox.open(t)
  host.vault = path.join(host.state, 'cluster')
  return { issuer, host }
}

async function refused(host, args, exitCode, pattern) {
  const { code, stdout, stderr } = await host.done(['join', ...args])
  assert.match(stderr, pattern)
  assert.equal(stdout, '')
  assert.equal(code, exitCode)
  assert.ok(!fs.existsSync(host.vault))
  if (fs.existsSync(host.state)) assert.deepEqual(fs.readdirSync(host.state).filter((name) => name.startsWith('cluster')), [])
}

test('a host with a token becomes one of the cluster', async (t) => {
  const { issuer, host } = await scene(t)
  const token = await issuer.token()
  const { code, stdout, stderr } = await host.done(['join', token, '--name', 'second', '--listen', '127.0.0.1:7500', '--json'])
  assert.match(stderr, new RegExp(`^warren: asks 127\\.0\\.0\\.1:${issuer.port}\nwarren: no agent is running yet: [^\n]*\n$`))
  assert.equal(code, 0)
  const said = JSON.parse(stdout)
  assert.equal(said.cluster, issuer.said.cluster)
  assert.notEqual(said.host, issuer.said.host)
  assert.equal(said.name, 'second')
  assert.equal(JSON.parse(fs.readFileSync(path.join(host.vault, 'config.json'))).listen, '127.0.0.1:7500')
  await issuer.door.until(new RegExp(`let host "second" \\(${said.host}\\) in with ticket [0-9a-f]{16}`))
  assert.deepEqual(fs.readdirSync(host.vault).sort(), ['config.json', 'generation', 'host.key', 'peers'])
  for (const name of fs.readdirSync(host.vault)) assert.equal(fs.statSync(path.join(host.vault, name)).mode & 0o777, 0o600, name)
  assert.ok(fs.readFileSync(path.join(host.vault, 'peers')).includes(`127.0.0.1:${issuer.port}`))
  const again = await host.done(['token', 'create'])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /this host has no issuer\.key/)
  const renewal = await host.done(['issuer', 'renew', '--root-key', 'root.key'])
  assert.match(renewal.stderr, /this host has no issuer\.key/)
  assert.equal(renewal.code, 1)
})

test('a token lets one host in, and the second one and the log are told', async (t) => {
  const { issuer, host } = await scene(t)
  const token = await issuer.token()
  const hosts = [host, ...(await Promise.all(Array.from({ length: 4 }, () => Sandbox.open(t))))]
  const ends = await Promise.all(hosts.map((one, i) => one.done(['join', token, '--name', `h${i}`])))
  assert.equal(ends.filter(({ code }) => code === 0).length, 1)
  for (const { code, stderr } of ends)
    if (code !== 0) assert.match(stderr, /\nwarren: not joined: 127\.0\.0\.1:\d+ refuses: this token was used already [^\n]*\n$/)
  await issuer.door.until(/refused host "h\d" \([0-9a-f]{32}\) with ticket [0-9a-f]{16}, used before by [0-9a-f]{32}/)
  // Nor after the issuer's agent was started again.
  issuer.door.kill('SIGKILL')
  await issuer.door.ended
  await issuer.open()
  const late = await Sandbox.open(t)
  assert.match((await late.done(['join', token])).stderr, /was used already/)
})

test('a token can be read from stdin', async (t) => {
  const { issuer, host } = await scene(t)
  const join = host.warren(['join', '-'])
  join.stdin.end(`  ${await issuer.token()}\r\n`)
  const { code, stdout } = await join.ended
  assert.equal(code, 0)
  assert.match(stdout, /^This host is .* in cluster [0-9a-f]{32}\.\n$/)
})

test('the name of a token goes before the one of the machine, and not before --name', async (t) => {
  const { issuer, host } = await scene(t)
  const token = await issuer.token('--name', 'db-1')
  await refused(host, [token, '--name', 'db-2'], 1, /refuses: this token is for a host of another name/)
  const { code, stdout } = await host.done(['join', token, '--json'])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).name, 'db-1')
  await issuer.door.until(/let host "db-1" \([0-9a-f]{32}\) in with ticket [0-9a-f]{16}, from 127\.0\.0\.1:\d+/)
})

test('a name that a host has is refused, and the token stays good', async (t) => {
  const { issuer, host } = await scene(t)
  const token = await issuer.token()
  await refused(host, [token, '--name', 'first'], 1, /refuses: a host named first is in the cluster already: choose another --name/)
  await issuer.door.until(/refused host "first" \([0-9a-f]{32}\) with ticket [0-9a-f]{16}: a host named first/)
  assert.equal((await host.done(['join', token, '--name', 'second'])).code, 0)
})

test('what is no token, and what has expired, is told', async (t) => {
  const { issuer, host } = await scene(t)
  const token = await issuer.token()
  await refused(host, [], 2, /join with which token\?/)
  await refused(host, ['warren1:abc'], 2, /that is not a whole token/)
  await refused(host, [token.slice(0, -1)], 2, /that is not a whole token/)
  await refused(host, [token.replace('warren1', 'warren2')], 2, /by a newer Warren/)
  await refused(host, [token, 'x'], 2, /join takes one token/)
  await refused(host, [token, '--name', 'a b'], 2, /a host's name is .*, not "a b"/)
  await refused(host, [token, '--name', 'a'.repeat(64)], 2, /a host's name is 1 to 63/)
  const short = JSON.parse(await issuer.token('--ttl', '1s', '--json'))
  while (Date.now() <= Date.parse(short.expiresAt) + 1000) await new Promise((resolve) => setTimeout(resolve, 100))
  await refused(host, [short.token], 2, /token expired \d+s ago, or the clock here is wrong/)
  assert.equal((await host.done(['join', token])).code, 0) // none of it used that one up
})

test('who is in a cluster stays in it', async (t) => {
  const { issuer, host } = await scene(t)
  assert.equal((await host.done(['init'])).code, 0)
  const key = fs.readFileSync(path.join(host.vault, 'host.key'))
  const token = await issuer.token()
  const { code, stderr } = await host.done(['join', token])
  assert.equal(code, 1)
  assert.match(stderr, /in a cluster already: `warren leave` first, but it is the host that lets others in: when it has left, that cluster ends/)
  assert.deepEqual(fs.readFileSync(path.join(host.vault, 'host.key')), key)
  // Nor does a lost key make it a stranger.
  fs.rmSync(path.join(host.vault, 'host.key'))
  for (const args of [['join', token], ['leave']]) assert.match((await host.done(args)).stderr, /cannot read .*host\.key: No such file or directory \(restore it/)
  const other = await Sandbox.open(t)
  assert.equal((await other.done(['join', token])).code, 0) // it was not used up
})

test('an issuer that is away, deaf, or somebody else is told', async (t) => {
  const { issuer, host } = await scene(t)
  const token = await issuer.token()
  issuer.door.kill('SIGKILL')
  await issuer.door.ended
  await refused(host, [token], 1, /127\.0\.0\.1:\d+ cannot be reached: Connection refused \(the issuer's agent must run there: `warren agent`\)\n/)
  const sockets = new Set()
  let answer = (socket) => socket.end()
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => answer(socket))
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(issuer.port, '127.0.0.1')
  await once(server, 'listening')
  await refused(host, [token], 1, /closed the connection without a word: it does not know this token/)
  answer = (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
  await refused(host, [token], 1, /what answers at 127\.0\.0\.1:\d+ is no Warren host\n/)
  answer = (socket) => socket.write(Buffer.concat([Buffer.from([0, 100]), Buffer.alloc(100)]))
  await refused(host, [token], 1, /what answers at 127\.0\.0\.1:\d+ is no Warren host\n/)
  answer = () => {}
  await refused(host, [token], 1, /took the connection and does not answer/)
  server.close()
  for (const socket of sockets) socket.destroy()
  await issuer.open()
  assert.equal((await host.done(['join', token])).code, 0)
})

test('strangers at the door get not a byte', async (t) => {
  const { issuer } = await scene(t)
  for (const bytes of [Buffer.alloc(90), Buffer.from('wrn!\x01\x04'.padEnd(90, '\0'), 'latin1'), Buffer.alloc(200, 0x41)]) {
    const socket = net.connect(issuer.port, '127.0.0.1')
    const seen = []
    socket.on('data', (data) => seen.push(data)).on('error', () => {})
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.write(bytes)
    await closed
    assert.equal(Buffer.concat(seen).length, 0)
  }
})

test('a disk that is slow stops no agent, and whoever leaves waits until nothing is written', { timeout: 120_000 }, async (t) => {
  const { issuer, host } = await scene(t)
  const { code, stderr } = await host.done(['join', await issuer.token(), '--listen', `127.0.0.1:${await freePort()}`])
  assert.equal(code, 0, stderr)
  // A build with ASan wants to be the first library.
  const ASAN_OPTIONS = `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`
  const agent = await host.agent({ env: { LD_PRELOAD: process.env.SLOW_DISK, SLOW_DISK: host.dir, SLOW_DISK_FILE: 'peers.new', ASAN_OPTIONS } })
  const blocked = fs.watch(host.dir)
  let leaving
  try {
    while (!fs.existsSync(path.join(host.dir, 'blocked'))) await once(blocked, 'change') // within 10 s of the first that is up
    assert.match((await host.done(['hosts'])).stdout, /first/) // it answers
    assert.ok(fs.existsSync(path.join(host.vault, 'peers.new')))
    leaving = host.warren(['leave', '--json'])
  } finally {
    blocked.close()
    fs.writeFileSync(path.join(host.dir, 'release'), '')
  }
  const left = await leaving.ended
  assert.equal(left.code, 0, left.stderr)
  const names = fs.readdirSync(JSON.parse(left.stdout).keys)
  assert.ok(names.includes('peers') && !names.includes('peers.new'), names)
  assert.doesNotMatch(agent.output, /cannot write/)
})
