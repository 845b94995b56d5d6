// `warren init` and `warren token create`: what is on disk, and what is said when it is not right.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, WARREN } from './harness.mjs'

const isRoot = process.getuid() === 0
const TOKEN = /^warren1:[A-Za-z0-9_-]{100,1016}\n$/

async function initialized(t, ...args) {
  const box = await Sandbox.open(t)
  const { code, stdout, stderr } = await box.done(['init', '--json', '--name', 'first', '--advertise', 'first.example:7411', ...args])
  assert.match(stderr, /^warren: no agent is running yet: [^\n]*\n$/)
  assert.equal(code, 0)
  box.vault = path.join(box.state, 'cluster')
  box.said = JSON.parse(stdout)
  return box
}

async function refused(box, args, exitCode, pattern) {
  const { code, stdout, stderr } = await box.done(args)
  assert.match(stderr, pattern)
  assert.match(stderr, /^warren: [^\n]*\n$/) // one sentence
  assert.equal(stdout, '')
  assert.equal(code, exitCode)
}

const contents = (dir) => Object.fromEntries(fs.readdirSync(dir).map((name) => [name, fs.readFileSync(path.join(dir, name)).toString('hex')]))

test('init makes a cluster whose files are for their owner alone', async (t) => {
  const box = await initialized(t)
  const { cluster, host, ...rest } = box.said
  assert.match(cluster, /^[0-9a-f]{32}$/)
  assert.match(host, /^[0-9a-f]{32}$/)
  assert.deepEqual(rest, {
    name: 'first', listen: '0.0.0.0:7400', addresses: ['first.example:7411'], rootKey: path.join(box.vault, 'root.key'),
  })
  assert.equal(fs.statSync(box.vault).mode & 0o777, 0o700)
  const names = fs.readdirSync(box.vault).sort()
  assert.deepEqual(names, ['config.json', 'generation', 'host.key', 'issuer.key', 'peers', 'root.key'])
  for (const name of names) assert.equal(fs.statSync(path.join(box.vault, name)).mode & 0o777, 0o600, name)
  assert.deepEqual(fs.readdirSync(box.state).sort(), ['cluster', 'logs'])
})

test('a second init changes nothing', async (t) => {
  const box = await initialized(t)
  const before = contents(box.vault)
  await refused(box, ['init'], 1, /this host is in a cluster already: its keys are in .* \(`warren leave` puts them aside, but this is the host that lets others in: when it has left, the cluster ends\)/)
  assert.deepEqual(contents(box.vault), before)
  assert.deepEqual(fs.readdirSync(box.state).sort(), ['cluster', 'logs'])
})

test('two inits at once make one cluster', async (t) => {
  const box = await Sandbox.open(t)
  const ends = await Promise.all(Array.from({ length: 8 }, () => box.done(['init', '--json'])))
  assert.equal(ends.filter(({ code }) => code === 0).length, 1)
  assert.deepEqual(fs.readdirSync(box.state).sort(), ['cluster', 'logs'])
  assert.equal((await box.done(['token', 'create'])).code, 0)
})

test('init tells people where the root key is, and takes a port for granted', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stdout } = await box.done(['init', '--listen', '127.0.0.1', '--name', 'h'])
  assert.equal(code, 0)
  assert.match(stdout, /listens {4}127\.0\.0\.1:7400\n {2}reached {4}127\.0\.0\.1:7400\n/)
  assert.ok(stdout.includes(`root key   ${path.join(box.state, 'cluster', 'root.key')}`))
})

test('each token is another one, and the secret of none is kept', async (t) => {
  const box = await initialized(t)
  const one = await box.done(['token', 'create'])
  assert.equal(one.code, 0)
  assert.match(one.stdout, TOKEN)
  assert.match(one.stderr, /^It lets one host in, until /)
  const { stdout } = await box.done(['token', 'create', '--json', '--ttl', '90s', '--name', 'db-1', '--scope', 'serve:db', '--scope', 'call:*'])
  const { token, expiresAt } = JSON.parse(stdout)
  assert.match(`${token}\n`, TOKEN)
  assert.notEqual(`${token}\n`, one.stdout)
  const left = Date.parse(expiresAt) - Date.now()
  assert.ok(left > 0 && left <= 90_000, `${left} ms left`)
  const whole = Buffer.from(token.slice('warren1:'.length), 'base64url')
  assert.ok(whole.includes('first.example:7411'))
  // Field 4 of proto/enrol.proto: the secret.
  const at = whole.indexOf(Buffer.from([0x22, 32]))
  const secret = whole.subarray(at + 2, at + 34).toString('hex')
  for (const [name, hex] of Object.entries(contents(box.vault))) assert.ok(!hex.includes(secret), name)
})

test('who is in no cluster cannot leave one', async (t) => {
  const box = await Sandbox.open(t)
  const { code, stderr } = await box.done(['leave'])
  assert.match(stderr, /this host is in no cluster/)
  assert.equal(code, 1)
})

test('tokens need no root key', async (t) => {
  const box = await initialized(t)
  fs.renameSync(path.join(box.vault, 'root.key'), path.join(box.dir, 'safe'))
  assert.equal((await box.done(['token', 'create'])).code, 0)
})

test('the root key renews the right to let hosts in', async (t) => {
  const box = await initialized(t)
  const safe = path.join(box.dir, 'root.key')
  fs.renameSync(path.join(box.vault, 'root.key'), safe)
  const before = contents(box.vault)
  await refused(box, ['issuer', 'renew'], 2, /say `warren issuer renew --root-key FILE`/)
  await refused(box, ['issuer', 'renew', '--root-key', path.join(box.vault, 'host.key')], 2, /is called root\.key/)
  await refused(box, ['issuer', 'renew', '--root-key', path.join(box.vault, 'root.key')], 1, /cannot read .*root\.key: No such file/)
  assert.deepEqual(contents(box.vault), before)
  const { code, stdout } = await box.done(['issuer', 'renew', '--json', '--root-key', safe])
  assert.equal(code, 0)
  const days = (Date.parse(JSON.parse(stdout).validUntil) - Date.now()) / 86_400_000
  assert.ok(days > 364.9 && days <= 365, `${days} days`)
  assert.notDeepEqual(contents(box.vault), before)
  assert.equal((await box.done(['token', 'create'])).code, 0)
})

test('an agent whose keys are no good says so, takes no part, and makes no others', async (t) => {
  const box = await initialized(t, '--listen', '127.0.0.1:7431')
  const key = path.join(box.vault, 'host.key')
  fs.truncateSync(key, 100)
  for (const sentence of [/cannot use .*host\.key: it is damaged or not whole \(restore it from a backup/, /cannot read .*host\.key: No such file/]) {
    const before = contents(box.vault)
    const agent = await box.agent()
    await agent.until(new RegExp(`takes no part in its cluster: ${sentence.source}`))
    agent.kill('SIGTERM')
    await agent.ended
    assert.deepEqual(contents(box.vault), before)
    fs.rmSync(key, { force: true })
  }
})

test('words that make no sense are told', async (t) => {
  const box = await Sandbox.open(t)
  await refused(box, ['token', 'create'], 1, /in no cluster \(`warren init` makes one\)/)
  await refused(box, ['init', '--name', 'a b'], 2, /not "a b"/)
  await refused(box, ['init', '--listen', 'localhost:1'], 2, /--listen is like 0\.0\.0\.0:7400/)
  await refused(box, ['init', '--advertise', 'h:99999'], 2, /--advertise is like/)
  await refused(box, ['init', 'x'], 2, /init takes no word: "x"/)
  assert.ok(!fs.existsSync(path.join(box.state, 'cluster')))
  const other = await initialized(t)
  await refused(other, ['token'], 2, /say `warren token create`/)
  await refused(other, ['token', 'make'], 2, /not "make"/)
  for (const ttl of ['0s', '31d', '5', 'h', '-1h', '1 h']) await refused(other, ['token', 'create', `--ttl=${ttl}`], 2, /--ttl is a time like/)
  await refused(other, ['token', 'create', '--scope', 'serv:db'], 2, /a scope is .*, not "serv:db"/)
  await refused(other, ['token', 'create', ...Array(17).fill('--scope=call:a')], 2, /at most 16 scopes/)
  await refused(other, ['token', 'create', '--name', ''], 2, /a host's name is/)
  assert.ok(!fs.existsSync(path.join(other.vault, 'tickets')))
})

test('a file that is damaged, missing or open to others is told, with what to do', async (t) => {
  const box = await initialized(t)
  const key = path.join(box.vault, 'host.key')
  const whole = fs.readFileSync(key)
  fs.chmodSync(key, 0o644)
  await refused(box, ['token', 'create'], 1, /will not use .*host\.key: others may read it, its mode is 644 \(`chmod 600` it/)
  fs.chmodSync(key, 0o600)
  fs.writeFileSync(key, whole.subarray(0, whole.length / 2))
  await refused(box, ['token', 'create'], 1, /cannot use .*host\.key: it is damaged or not whole \(restore it from a backup/)
  fs.rmSync(key)
  await refused(box, ['token', 'create'], 1, /cannot read .*host\.key: No such file or directory \(restore it/)
  assert.ok(!fs.existsSync(key)) // nothing was made up
  fs.writeFileSync(key, whole, { mode: 0o600 })
  fs.chmodSync(box.vault, 0o755)
  await refused(box, ['token', 'create'], 1, /will not use .*cluster: others may read it, its mode is 755 \(`chmod 700` it/)
  fs.chmodSync(box.vault, 0o700)
  assert.equal((await box.done(['token', 'create'])).code, 0)
})

test('a link or a pipe in place of the keys is called so, and nothing waits for it', async (t) => {
  const box = await initialized(t)
  const key = path.join(box.vault, 'host.key')
  const whole = path.join(box.vault, 'moved')
  fs.renameSync(key, whole)
  fs.symlinkSync('moved', key)
  await refused(box, ['token', 'create'], 1, /will not use .*host\.key: it is a symbolic link \(restore it/)
  fs.unlinkSync(key)
  execFileSync('mkfifo', ['-m', '600', key])
  await refused(box, ['token', 'create'], 1, /will not use .*host\.key: it is no ordinary file \(restore it/)
  fs.renameSync(whole, key)
  const away = path.join(box.state, 'away')
  fs.renameSync(box.vault, away)
  fs.symlinkSync('away', box.vault)
  for (const args of [['token', 'create'], ['init']]) await refused(box, args, 1, /will not use .*cluster: it is a symbolic link \(/)
  fs.unlinkSync(box.vault)
  fs.writeFileSync(box.vault, '')
  for (const args of [['token', 'create'], ['init']]) await refused(box, args, 1, /will not use .*cluster: it is no directory \(/)
})

test('a full disk leaves what was there', { skip: !isRoot && 'needs root' }, async (t) => {
  const box = await Sandbox.open(t)
  fs.mkdirSync(box.state, { mode: 0o700 })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', box.state], { stdio: 'ignore' })
  } catch {
    return t.skip('this place allows no mount')
  }
  try {
    await fillAndTry(box)
  } finally {
    execFileSync('umount', [box.state]) // before the sandbox goes
  }
})

async function fillAndTry(box) {
  const fill = path.join(box.state, 'fill')
  const fillUp = () => {
    try {
      fs.writeFileSync(fill, Buffer.alloc(1 << 20))
    } catch (err) {
      assert.equal(err.code, 'ENOSPC')
    }
  }
  fs.mkdirSync(path.join(box.state, 'logs'), { mode: 0o700 })
  fillUp()
  await refused(box, ['init'], 1, /cannot write .*: No space left on device/)
  assert.deepEqual(fs.readdirSync(box.state).sort(), ['fill', 'logs'])
  fs.rmSync(fill)
  assert.equal((await box.done(['init', '--advertise', 'h:1'])).code, 0)
  assert.equal((await box.done(['token', 'create'])).code, 0)
  const before = contents(path.join(box.state, 'cluster'))
  fillUp()
  await refused(box, ['token', 'create'], 1, /cannot write .*tickets: No space left on device/)
  assert.deepEqual(contents(path.join(box.state, 'cluster')), before)
}

test('an agent whose port is taken takes part once it is free', async (t) => {
  const holder = net.createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const address = `127.0.0.1:${holder.address().port}`
  const box = await initialized(t, '--listen', address, '--advertise', address)
  const agent = await box.agent()
  await agent.until(/takes no part in its cluster: cannot listen for other hosts on .*: Address already in use/)
  const { code, stderr } = await box.done(['hosts'])
  assert.equal(code, 1)
  assert.match(stderr, /takes no part in its cluster: cannot listen/)
  await new Promise((resolve) => holder.close(resolve))
  await agent.until(/this host is first in its cluster/) // it looks again every 15 s
  agent.kill('SIGTERM')
  await agent.ended
})

// A name server that keeps every question until it is told to answer: A records of 127.0.0.1, and nothing else.
class NameServer {
  #socket = dgram.createSocket('udp4')
  #kept = []
  address = '127.0.0.77'

  async open(t) {
    this.asked = once(this.#socket, 'message')
    this.#socket.on('message', (question, from) => this.#kept?.push([question, from]) ?? this.#reply(question, from))
    this.#socket.bind(53, this.address)
    await once(this.#socket, 'listening')
    t.after(() => this.#socket.close())
  }
  answer() {
    for (const one of this.#kept) this.#reply(...one)
    this.#kept = undefined
  }
  #reply(question, { port, address }) {
    const end = question.indexOf(0, 12) + 5
    const isA = question.readUInt16BE(end - 4) === 1
    const head = Buffer.from([...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0])
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
    this.#socket.send(Buffer.concat([head, question.subarray(12, end), ...(isA ? [record] : [])]), port, address)
  }
}

test('a name server that is silent keeps nobody from their agent', { skip: !isRoot && 'needs root' }, async (t) => {
  const box = await initialized(t, '--listen', '127.0.0.1:7433')
  const names = new NameServer()
  await names.open(t)
  const conf = path.join(box.dir, 'resolv.conf')
  fs.writeFileSync(conf, `nameserver ${names.address}\n`)
  const agent = box.start('unshare', ['-m', 'sh', '-c', `mount --bind ${conf} /etc/resolv.conf && exec ${WARREN} agent`])
  await names.asked
  await agent.until(/listens on/)
  const opening = box.warren(['hosts'])
  assert.equal((await box.done(['ps'])).code, 0)
  const { code, stderr } = await opening.ended
  assert.equal(code, 1)
  assert.match(stderr, /takes no part in its cluster: the address of first\.example is being looked up/)
  names.answer()
  await agent.until(/this host is first in its cluster/)
  assert.match((await box.done(['hosts'])).stdout, /127\.0\.0\.1:7411/)
  agent.kill('SIGTERM')
  await agent.ended
})
