// `warren agent install`, in a HOME of its own or in a mount namespace with an /etc/systemd/system of its own.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Sandbox, WARREN } from './harness.mjs'

const has = (command, ...args) => spawnSync(command, args).status === 0
const OWN_MOUNTS = ['--mount', '--propagation', 'private', 'sh', '-ec']
const canMount = has('unshare', ...OWN_MOUNTS, 'mount -t tmpfs none /mnt')
const NO_MOUNTS = canMount ? false : 'no file system can be mounted here'
const NO_ANALYZE = has('systemd-analyze', '--version') ? false : 'systemd-analyze is not installed'
const NO_USER = has('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', WARREN, 'version') ? false : 'nobody cannot be made, or may not run the build'

class InstallSandbox extends Sandbox {
  get units() {
    return path.join(this.dir, '.config/systemd/user')
  }
  get unit() {
    return path.join(this.units, 'warren.service')
  }
  async install(args = [], options) {
    return await this.done(['agent', 'install', ...args], options)
  }
  // Where systemd seems to run: its directory is there, and a systemctl that writes down what it is asked. `answers`: lines of sh.
  async withSystemd(script, answers = '') {
    const bin = path.join(this.dir, 'bin')
    this.asked = path.join(this.dir, 'asked')
    fs.mkdirSync(bin, { recursive: true })
    fs.writeFileSync(this.asked, '')
    fs.writeFileSync(path.join(bin, 'systemctl'), `#!/bin/sh\necho "$*" >>'${this.asked}'\necho told\n${answers}\n`, { mode: 0o755 })
    const proc = this.start('unshare', [...OWN_MOUNTS, `mount -t tmpfs none /run; mkdir -p /run/systemd/system; mount -t tmpfs none /etc/systemd/system; ${script}`, 'sh', WARREN],
      { env: { PATH: `${bin}:${this.env.PATH}` } })
    return { ...(await proc.ended), asked: fs.readFileSync(this.asked, 'utf8').split('\n').slice(0, -1) }
  }
}

function verify(box, file, ...args) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, 'verify', '--man=no', file], { encoding: 'utf8', env: { ...box.env, XDG_RUNTIME_DIR: box.dir } })
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
}

test('systemd finds nothing wrong with the units, whatever is in a path', { skip: NO_ANALYZE }, async (t) => {
  const box = await InstallSandbox.open(t)
  const file = path.join(box.dir, 'warren.service')
  for (const [args, env, ...analyze] of [[[], { WARREN_DIR: '', WARREN_NODE: '' }], [[], { WARREN_DIR: '/srv/a "b" 50% \\c', WARREN_KEEP_ENDED: '5' }], [['--user'], {}, '--user']]) {
    const { code, stdout, stderr } = await box.install(['--print', ...args], { env })
    assert.deepEqual([code, stderr], [0, ''])
    fs.writeFileSync(file, stdout)
    verify(box, file, ...analyze)
  }
  const { stdout } = await box.install(['--print'], { env: { WARREN_DIR: '/srv/a "b" 50% \\c', WARREN_KEEP_ENDED: '5' } })
  assert.ok(stdout.includes('Environment="WARREN_DIR=/srv/a \\"b\\" 50%% \\\\c"\n'), stdout)
  assert.ok(stdout.includes('Environment="WARREN_KEEP_ENDED=5"\n'), stdout)
  assert.equal(fs.existsSync(box.unit), false)
})

test('what it installs for a user is an agent that tells systemd when it is ready, and goes again', async (t) => {
  const box = await InstallSandbox.open(t)
  const first = await box.install(['--user'])
  assert.deepEqual([first.code, first.stderr], [0, ''])
  assert.equal(first.stdout, `wrote ${box.unit}\n  it runs   ${WARREN} agent\n  state in  ${box.state}\n` +
    'systemd does not run here; where it does:\n  systemctl --user daemon-reload && systemctl --user enable --now warren.service\n')
  const text = fs.readFileSync(box.unit, 'utf8')
  assert.equal(fs.statSync(box.unit).mode & 0o777, 0o644)
  assert.deepEqual(fs.readdirSync(box.units), ['warren.service'])

  const notify = path.join(box.dir, 'notify')
  const manager = box.start('python3', ['-uc', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print('bound')
while True: print(s.recv(4096).decode().replace('\\n', ' '))`, notify])
  await manager.until(/bound/)
  const [, program] = text.match(/^ExecStart="(.*)" agent$/m)
  const env = Object.fromEntries([...text.matchAll(/^Environment="(\w+)=(.*)"$/gm)].map(([, name, value]) => [name, value]))
  assert.deepEqual(env, { WARREN_DIR: box.state, WARREN_NODE: box.env.WARREN_NODE })
  const agent = box.start('/usr/bin/env', ['-i', ...Object.entries({ ...env, NOTIFY_SOCKET: notify }).map((pair) => pair.join('=')), program, 'agent'])
  await manager.until(/\nREADY=1 STATUS=0 services run\n/)
  agent.kill('SIGTERM')
  assert.equal((await agent.ended).code, 0)

  const again = JSON.parse((await box.install(['--user', '--json'])).stdout)
  assert.deepEqual(again, { unit: box.unit, program: WARREN, stateDir: box.state, written: false, enabled: false, started: false })
  fs.mkdirSync(path.join(box.units, 'default.target.wants'))
  fs.symlinkSync(box.unit, path.join(box.units, 'default.target.wants/warren.service')) // as `systemctl enable` does
  const gone = await box.done(['agent', 'uninstall', '--user'])
  assert.deepEqual([gone.code, gone.stdout], [0, `removed ${box.unit}; what the agent kept stays in its state directory\n`])
  assert.deepEqual(fs.readdirSync(box.units), ['default.target.wants'])
  assert.deepEqual(fs.readdirSync(path.join(box.units, 'default.target.wants')), [])
  const nothing = await box.done(['agent', 'uninstall', '--user'])
  assert.deepEqual([nothing.code, nothing.stdout], [0, `there is no ${box.unit}: nothing to remove\n`])
  assert.deepEqual(JSON.parse((await box.done(['agent', 'uninstall', '--user', '--json'])).stdout), { unit: box.unit, removed: false })
})

test('a unit that somebody else wrote, or masked, is left alone without --force', async (t) => {
  const box = await InstallSandbox.open(t)
  const refused = async (verb) => {
    const { code, stdout, stderr } = await box.done(['agent', verb, '--user'])
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, new RegExp(`^warren: ${box.unit} was not written by \`warren agent install\`: --force (replaces|removes) it all the same\n$`))
  }
  fs.mkdirSync(box.units, { recursive: true })
  fs.writeFileSync(box.unit, '[Service]\nExecStart=/opt/warren agent\n')
  for (const verb of ['install', 'uninstall']) await refused(verb)
  assert.equal(fs.readFileSync(box.unit, 'utf8'), '[Service]\nExecStart=/opt/warren agent\n')
  fs.rmSync(box.unit)
  fs.symlinkSync('/dev/null', box.unit)
  for (const verb of ['install', 'uninstall']) await refused(verb)
  assert.equal(fs.readlinkSync(box.unit), '/dev/null')
  assert.equal((await box.install(['--user', '--force'])).code, 0)
  assert.ok(fs.lstatSync(box.unit).isFile())
})

test('a unit that cannot be written is told in a sentence, and the one that is there stays', async (t) => {
  const box = await InstallSandbox.open(t)
  fs.mkdirSync(path.join(box.dir, '.config'))
  fs.writeFileSync(path.join(box.dir, '.config/systemd'), 'no directory')
  const blocked = await box.install(['--user'])
  assert.deepEqual([blocked.code, blocked.stdout, blocked.stderr], [1, '', `warren: cannot write ${box.unit}: Not a directory\n`])
  for (const [env, what] of [[{ WARREN_NODE: 'bin/warren-node' }, /WARREN_NODE is bin\/warren-node: in a unit it must be an absolute path/], [{ WARREN_KEEP_ENDED: '1\nExecStart=x' }, /WARREN_KEEP_ENDED has a control character in it/]]) {
    const bad = await box.install(['--user', '--print'], { env })
    assert.deepEqual([bad.code, bad.stdout], [1, ''])
    assert.match(bad.stderr, what)
  }
  await t.test('on a full disk', { skip: NO_MOUNTS }, async () => {
    const script = `
      mount -t tmpfs -o size=12k none "$2"; echo '# Written by \`warren agent install\`, older' >"$2/warren.service"
      cat /dev/zero >"$2/full" 2>/dev/null || "$1" agent install --user || ls "$2"; cat "$2/warren.service"`
    fs.rmSync(path.join(box.dir, '.config'), { recursive: true })
    fs.mkdirSync(box.units, { recursive: true })
    const full = await box.start('unshare', [...OWN_MOUNTS, script, 'sh', WARREN, box.units]).ended
    assert.equal(full.stderr, `warren: cannot write ${box.unit}: No space left on device\n`)
    assert.equal(full.stdout, 'full\nwarren.service\n# Written by `warren agent install`, older\n')
  })
  await t.test('by one who may not', { skip: NO_USER }, async () => {
    const may = await box.start('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', WARREN, 'agent', 'install']).ended
    assert.deepEqual([may.code, may.stdout], [1, ''])
    assert.match(may.stderr, /^warren: cannot write \/etc\/systemd\/system\/warren\.service: (Permission denied \(only root may; `--user` is for a service of your own\)|No such file or directory \(is systemd installed here\?\))\n$/)
  })
})

test('where systemd runs the agent is enabled and started, and stopped, disabled and removed again', { skip: NO_MOUNTS }, async (t) => {
  const box = await InstallSandbox.open(t)
  const { code, stdout, stderr, asked } = await box.withSystemd(`
    unset WARREN_DIR; "$1" agent install --json; cat /etc/systemd/system/warren.service >/dev/null; "$1" agent uninstall --json; ls /etc/systemd/system`)
  assert.deepEqual([code, stderr], [0, 'told\n'.repeat(4)])
  assert.deepEqual(stdout.split('\n').slice(0, -1).map(JSON.parse), [
    { unit: '/etc/systemd/system/warren.service', program: WARREN, stateDir: '/var/lib/warren', written: true, enabled: true, started: true },
    { unit: '/etc/systemd/system/warren.service', removed: true }])
  assert.deepEqual(asked, ['daemon-reload', 'enable --now warren.service', 'disable --now warren.service', 'daemon-reload'])
})

test('what systemd refuses is told, and the unit stays', { skip: NO_MOUNTS }, async (t) => {
  const box = await InstallSandbox.open(t)
  const { code, stdout, stderr } = await box.withSystemd('"$1" agent install || echo $?; "$1" agent uninstall || echo $?; ls /etc/systemd/system', 'case $1 in *able) exit 5; esac')
  assert.equal(code, 0)
  assert.match(stdout, /\n1\n1\nwarren\.service\n$/)
  assert.match(stderr, /warren: `systemctl enable --now warren\.service` failed: exit code 5 \(`journalctl -u warren\.service` may say more\)\n/)
  assert.match(stderr, /warren: `systemctl disable --now warren\.service` failed: exit code 5/)
})

test('beside an agent that systemd did not start none is started, and it says what to do', { skip: NO_MOUNTS }, async (t) => {
  const box = await InstallSandbox.open(t)
  const agent = await box.agent()
  const { code, stderr, asked } = await box.withSystemd('"$1" agent install', 'test $1 != is-active')
  assert.equal(code, 1)
  assert.ok(stderr.endsWith(`warren: an agent that systemd did not start runs in ${box.state}: end it (\`warren agent --stop\`), then \`systemctl start warren.service\`\n`), stderr)
  assert.deepEqual(asked, ['daemon-reload', 'is-active --quiet warren.service', 'enable warren.service'])
  // One that it did start runs on.
  assert.equal((await box.withSystemd('"$1" agent install')).asked.at(-1), 'enable --now warren.service')
  assert.equal(agent.isOver, undefined)
})

test('options that do not go together are told', async (t) => {
  const box = await InstallSandbox.open(t)
  for (const args of [['--user'], ['restart', '--user'], ['--print'], ['uninstall', '--print'], ['install', '--print', '--json'], ['install', '--stop'], ['--json'], ['instal']]) {
    const { code, stdout, stderr } = await box.done(['agent', ...args])
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, /^warren: .+\n$/)
  }
})
