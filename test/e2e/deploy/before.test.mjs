// What is told before anything is sent, and what of a deployment that is cut off before it was asked for.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import path from 'node:path'
import { test } from 'node:test'
import { names } from '../releases/sandbox.mjs'
import { Sandbox } from './sandbox.mjs'

async function open(t) {
  const box = await Sandbox.open(t)
  box.first = await box.agent()
  return box
}

async function refused(box, code, text, args = []) {
  const { code: was, stdout, stderr } = await box.done(['deploy', ...args])
  assert.equal(was, code, stdout + stderr)
  assert.match(stderr, text)
  assert.doesNotMatch(stdout, /files \(/, 'nothing was sent')
}

test('an entry that a line leaves out of the release is told with that line', async (t) => {
  const box = await open(t)
  box.write('dist/server.js', '')
  box.service({ entry: './dist/server.js' })
  await box.ok(['deploy', '--dry-run'])
  box.write('.gitignore', '# built\ndist/\n')
  await refused(box, 2, /^warren: api: its entry dist\/server\.js would not be in the release, for line 2 of \.gitignore \(dist\/\) leaves it out: make a \.warrenignore, which is read instead, without it$/m)
  box.write('.warrenignore', '')
  box.write('dist/.warrenignore', '\n\n*.js\n!other.js\n')
  await refused(box, 2, /for line 3 of dist\/\.warrenignore \(\*\.js\) leaves it out: take that line away$/m)
  box.write('dist/.warrenignore', '')
  box.write('.env.js', '')
  box.service({ preload: ['./.env.js'] })
  await refused(box, 2, /^warren: api: what it preloads, \.env\.js would not be in the release, for files called so have secrets in them: a line !\.env\.js in \.warrenignore brings it along$/m)
  box.service({ entry: './node_modules/a/a.js' })
  box.write('node_modules/a/a.js', '')
  box.write('.warrenignore', 'node_modules\n')
  await refused(box, 2, /api: its entry node_modules\/a\/a\.js would not be in the release, for line 1 of \.warrenignore \(node_modules\)/)
})

test('files with secrets are named, and not deployed', async (t) => {
  const box = await open(t)
  box.write('.npmrc', '//registry.example/:_authToken=T\n')
  const { stdout, stderr } = await box.ok(['deploy'])
  assert.match(stderr, /^left out: \.npmrc, for secrets are not for releases/m)
  assert.match(stdout, /^release \w+ has 5 files /m)
})

test('a project that is being changed, and the name of another one\'s service, are told before anything is sent', async (t) => {
  const box = await open(t)
  box.word('slow')
  await box.ok(['deploy', '-d'])
  box.write('ballast.bin', 'y'.repeat(3 << 20))
  await refused(box, 1, /shop is being changed already .*`warren abort shop`/)
  await box.ok(['abort', 'shop'])
  box.word('one')
  await box.deploy()
  box.config({ name: 'other', services: { api: { entry: './server.js' } } })
  await refused(box, 1, /^warren: api is a service of project shop already, and nothing was deployed: give it another name$/m)
  await refused(box, 1, /^warren: api is a service of project shop already/m, ['--dry-run'])
})

// A release that is cut off while it is sent: what the command said. One that was quick enough to be accepted before is let be done,
// and another is begun.
async function cutOff(box, cut) {
  await box.deploy()
  for (;;) {
    box.write('large.bin', crypto.randomBytes(64 << 20))
    const some = names(path.join(box.state, 'releases', 'chunks'), 4)
    const deploy = box.warren(['deploy'])
    await some
    const end = await cut(deploy)
    if (!/^release \w+ has /m.test(end.stdout)) return end
    await box.until(({ phase }) => phase === 'done')
  }
}

test('Ctrl-C before it is accepted: nothing was deployed, and that is said', async (t) => {
  const box = await open(t)
  const { code, stderr } = await cutOff(box, async (deploy) => {
    process.kill(box.agentPid(), 'SIGSTOP')
    deploy.kill('SIGINT')
    const end = await deploy.ended
    process.kill(box.agentPid(), 'SIGCONT')
    return end
  })
  assert.equal(code, 130)
  assert.match(stderr, /^warren: nothing was deployed: what was sent of it stays with the agent, and the same command sends only the rest$/m)
})

test('an agent that is killed while a release is sent: the same command goes on with the next one', async (t) => {
  const box = await open(t)
  let agent = box.first
  const { code, stderr } = await cutOff(box, async (deploy) => {
    await box.killAgent(agent)
    const end = await deploy.ended
    agent = await box.agent()
    return end
  })
  assert.equal(code, 4)
  assert.match(stderr, /^warren: nothing was deployed: .* the same command sends only the rest when an agent is there again$/m)
  const { shipped, deployed } = await box.deploy()
  assert.equal(deployed.ok, true)
  assert.ok(shipped.chunksSent < 65, `${shipped.chunksSent}`)
})
