// Deployments on one host, whose store is a file: made, changed, taken back, and cut off in their midst.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { smallDisk } from '../releases/sandbox.mjs'
import { load, Sandbox } from './sandbox.mjs'
import { freePort } from '../ports.mjs'

const isAlive = (pid) => fs.existsSync(`/proc/${pid}`)

async function exists(file) {
  for (const until = Date.now() + 60_000; !fs.existsSync(file); await new Promise((resolve) => setTimeout(resolve, 10)))
    assert.ok(Date.now() < until, `${file} is there`)
}

async function open(t) {
  const box = await Sandbox.open(t)
  box.first = await box.agent()
  return box
}

test('a directory is deployed, and a change of one file ships that file alone while requests are served', async (t) => {
  const box = await open(t)
  const { deployed, accepted, shipped } = await box.deploy(['--note', 'the first one'])
  assert.equal(deployed.ok, true)
  assert.deepEqual([accepted.release, accepted.from], [1, 0])
  assert.equal(shipped.files, 5)
  assert.deepEqual(await box.words(), ['one'])
  box.word('two')
  const requests = load(box.port)
  const second = await box.deploy()
  const { failures, count } = await requests.stop()
  assert.deepEqual(failures, [])
  assert.ok(count > 0)
  assert.deepEqual([second.accepted.release, second.accepted.from], [2, 1])
  assert.equal(second.shipped.chunksSent, 2) // the file, and the list of all
  assert.ok(second.shipped.bytesSent < 8192, `${second.shipped.bytesSent} bytes`)
  assert.deepEqual(await box.words(), ['two'])
  const { releases } = JSON.parse((await box.ok(['releases', 'shop', '--json'])).stdout)
  assert.deepEqual(releases.map(({ release, note, running }) => [release, note, running]), [[1, 'the first one', false], [2, '', true]])
  const { services, phase, running } = await box.shop()
  assert.deepEqual([phase, running], ['done', 2])
  assert.deepEqual(services.map(({ service, wanted, ready, updated }) => [service, wanted, ready, updated]), [['api', 2, 2, 2]])
  assert.deepEqual(services[0].instances.map(({ host, release, state }) => [host, release, state]), [['local', 2, 'ready'], ['local', 2, 'ready']])
  const { stderr } = await box.deploy(['--npm-ci'], 2)
  assert.match(stderr, /has no package-lock\.json: --npm-ci needs one/)
})

test('a release that fails is taken back, with the reason and what it wrote last', async (t) => {
  const box = await open(t)
  await box.deploy()
  const before = await box.pids()
  box.word('broken')
  const { deployed, stderr } = await box.deploy([], 1)
  assert.deepEqual([deployed.ok, deployed.phase, deployed.from], [false, 'returned', 1], stderr)
  assert.match(deployed.why, /api\.\d/)
  assert.ok(deployed.lastLines.includes('no database'), JSON.stringify(deployed.lastLines))
  assert.deepEqual(await box.words(), ['one'])
  assert.deepEqual(await box.pids(), before, 'nothing that ran was touched')
  const people = await box.done(['deploy'])
  assert.equal(people.code, 1)
  assert.match(people.stderr, /release 3 of shop failed, and release 1 runs as before: .*\n(.*\n)*.*no database/)
  const events = (await box.ok(['events', 'shop', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line))
  assert.deepEqual(events.map(({ type }) => type).filter((type) => type.startsWith('deploy')), ['deploy', 'deployed', 'deploy', 'deploy-failed', 'deploy', 'deploy-failed'])
  assert.ok(events[0].by, 'who it was')
})

const ready = "setInterval(() => {}, 1000); process.send('ready')"

// Two services, one after the other: db.js and web.js.
function two(box, db, web) {
  box.write('db.js', db)
  box.write('web.js', web)
  const service = (entry) => ({ entry, env: { FLAG: path.join(box.dir, 'flag') }, health: { ready: 'message', timeout: '60s' },
    update: { settle: '100ms', deadline: '60s' } })
  box.config({ name: 'shop', services: { db: service('./db.js'), web: service('./web.js') } })
}

test('a release is taken back when an instance that was well fails before all others are', async (t) => {
  const box = await open(t)
  two(box, ready, ready)
  await box.deploy()
  two(box, `
    const fs = require('node:fs')
    const look = () => { if (fs.existsSync(process.env.FLAG)) { fs.writeSync(2, 'no disk\\n'); process.exit(3) } }
    look(); setInterval(look, 50); process.send('ready')`, 'setInterval(() => {}, 1000)') // web is never ready
  const deploy = box.deploy([], 1)
  await box.until(({ deployment, services }) => deployment === 2 && services.find(({ service }) => service === 'db').updated === 1)
  fs.writeFileSync(path.join(box.dir, 'flag'), '')
  const { deployed } = await deploy
  assert.deepEqual([deployed.phase, deployed.from], ['returned', 1])
  assert.match(deployed.why, /^db\.0@local: .*exit code 3/)
  assert.ok(deployed.lastLines.includes('no disk'), JSON.stringify(deployed.lastLines))
  const { services } = await box.shop()
  assert.deepEqual(services.map(({ service, ready, instances }) => [service, ready, instances[0].release]), [['db', 1, 1], ['web', 1, 1]])
})

test('a first life that ends before it is ready fails its release, also when the second one is ready', async (t) => {
  const box = await open(t)
  two(box, `
    const fs = require('node:fs')
    if (fs.existsSync(process.env.FLAG)) { ${ready} }
    else { fs.writeFileSync(process.env.FLAG, ''); fs.writeSync(2, 'no schema\\n'); process.kill(process.pid, 'SIGKILL') }`, ready)
  const { deployed } = await box.deploy([], 1)
  assert.deepEqual([deployed.phase, deployed.from], ['returned', 0])
  assert.match(deployed.why, /^db\.0@local: .*SIGKILL/)
  assert.ok(deployed.lastLines.includes('no schema'), JSON.stringify(deployed.lastLines))
})

test('a program that ends with 0 by itself has done its work, and one that ends otherwise fails its release', async (t) => {
  const box = await open(t)
  const flag = path.join(box.dir, 'flag')
  const project = (script) => {
    box.write('migrate.js', `require('node:fs').appendFileSync(process.env.FLAG, process.env.WARREN_RELEASE + ' ')\n${script}\n`)
    box.write('web.js', ready)
    box.config({ name: 'shop', services: {
      migrate: { entry: './migrate.js', restart: 'never', env: { FLAG: flag } }, web: { entry: './web.js', health: { ready: 'message' } } } })
  }
  project('')
  await box.deploy()
  const { services } = await box.until(({ services }) => services[0]?.instances[0]?.state === 'done')
  assert.deepEqual(services.map(({ service, ready, updated }) => [service, ready, updated]), [['migrate', 1, 1], ['web', 1, 1]])
  await box.deploy() // the same again
  assert.equal(fs.readFileSync(flag, 'utf8'), '1 ')
  project('// changed')
  await box.deploy()
  assert.equal(fs.readFileSync(flag, 'utf8'), '1 3 ')
  project("console.error('no table'); process.exitCode = 4")
  const { deployed } = await box.deploy([], 1)
  assert.deepEqual([deployed.phase, deployed.from], ['returned', 3])
  assert.match(deployed.why, /^migrate\.0@local: .*exit code 4/)
  assert.ok(deployed.lastLines.includes('no table'), JSON.stringify(deployed.lastLines))
})

test('what was deployed is rolled back, scaled and taken down', async (t) => {
  const box = await open(t)
  await box.deploy()
  box.word('two')
  await box.deploy()
  await box.ok(['rollback', 'shop'])
  assert.deepEqual(await box.words(), ['one'])
  await box.ok(['rollback', 'shop', '--to', '2'])
  assert.deepEqual(await box.words(), ['two'])
  const before = await box.pids()
  await box.ok(['scale', 'api=+2'])
  const after = await box.pids()
  assert.equal(after.length, 4)
  assert.deepEqual(before.filter((pid) => !after.includes(pid)), [], 'those that ran run on')
  await box.ok(['scale', 'api=1'])
  assert.equal((await box.pids()).length, 1)
  const up = await box.done(['up', '-d'])
  assert.equal(up.code, 1)
  assert.match(up.stderr, /shop is deployed: `warren deploy` changes it/)
  await box.ok(['down', '--project', 'shop'])
  assert.equal((await box.pids()).length, 0)
  await box.ok(['rollback', 'shop'])
  assert.deepEqual(await box.words(), ['two'])
})

test('a rollback goes to what served last and is another program, and never to a release that failed', async (t) => {
  const box = await open(t)
  await box.deploy()
  const none = await box.done(['rollback', 'shop'])
  assert.deepEqual([none.code, /no other release of shop has served before/.test(none.stderr)], [1, true], none.stderr)
  box.word('two')
  await box.deploy()
  await box.deploy(['--note', 'the same again'])
  const same = await box.done(['rollback', 'shop', '--to', '2'])
  assert.equal(same.code, 1)
  assert.match(same.stderr, /release 2 of shop is the same as release 3, which runs: nothing would change/)
  await box.ok(['rollback', 'shop'])
  assert.deepEqual([await box.words(), (await box.shop()).running], [['one'], 1])
  box.word('broken')
  await box.deploy([], 1)
  const failed = await box.done(['rollback', 'shop', '--to', '4'])
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /release 4 of shop never served \(api\.\d@local: .*\): `warren deploy` in its directory tries it anew, `warren releases shop` lists/)
  await box.ok(['down', '--project', 'shop'])
  await box.deploy([], 1)
  await box.ok(['rollback', 'shop'])
  assert.deepEqual([await box.words(), (await box.shop()).running], [['one'], 1], 'it served last before the project was taken down')
})

test('what one may go back to stays on the disk, whatever room is wanted', async (t) => {
  const box = await open(t)
  const ids = []
  for (const word of ['one', 'two', 'three', 'four', 'broken']) {
    box.word(word)
    ids.push((await box.deploy([], word === 'broken' ? 1 : 0)).shipped.id)
  }
  await box.killAgent(box.first)
  await box.agent()
  assert.equal((await box.shop()).running, 4) // by now it has read the store
  await box.ok(['bundles', '--collect', '0'])
  const { bundles } = JSON.parse((await box.ok(['bundles', '--json'])).stdout)
  assert.deepEqual(bundles.map(({ id }) => id).sort(), ids.slice(2).sort(), 'that failed, that runs, that ran before')
  await box.ok(['rollback', 'shop'])
  assert.deepEqual(await box.words(), ['three'])
})

test('a project that is down is down, and when it is over it is forgotten', async (t) => {
  const box = await open(t)
  const down = (...args) => box.done(['down', '--project', 'shop', ...args])
  await box.deploy()
  box.word('two')
  await box.deploy()
  const early = await down('--forget')
  assert.equal(early.code, 1)
  assert.match(early.stderr, /release 2 of shop runs, and what runs is not forgotten: `warren down --project shop` ends it first/)
  assert.deepEqual(await box.words(), ['two'])
  await box.ok(['down', '--project', 'shop'])
  const again = await down()
  assert.deepEqual([again.code, again.stdout], [0, 'nothing of shop runs\n'])
  const { code, stdout } = await down('--forget', '--json')
  assert.deepEqual([code, JSON.parse(stdout)], [0, { type: 'forgotten', project: 'shop', releases: 2 }])
  for (const args of [['releases', 'shop'], ['status', 'shop'], ['rollback', 'shop'], ['down', '--project', 'shop'], ['down', '--project', 'shop', '--forget']]) {
    const end = await box.done(args)
    assert.equal(end.code, 3, `${args.join(' ')}: ${end.stdout}${end.stderr}`)
  }
  assert.match((await box.ok(['events', 'shop'])).stdout, /shop is forgotten, with 2 of its releases/)
  const { accepted } = await box.deploy()
  assert.deepEqual([accepted.release, accepted.deployment, accepted.from], [1, 1, 0], 'nothing of it was known')
  assert.deepEqual(await box.words(), ['two'])
})

test('releases tells of each whether it serves, did before, failed, was aborted or taken back, and why', async (t) => {
  const box = await open(t)
  const states = async () => JSON.parse((await box.ok(['releases', 'shop', '--json'])).stdout).releases.map(({ release, state }) => [release, state])
  await box.deploy()
  box.word('two')
  await box.deploy()
  box.word('broken')
  await box.deploy([], 1)
  box.word('slow')
  await box.ok(['deploy', '-d'])
  await box.until(({ deployment, phase }) => deployment === 4 && phase === 'rolling')
  assert.deepEqual(await states(), [[1, 'before'], [2, 'serving'], [3, 'failed'], [4, 'deploying']])
  await box.ok(['abort', 'shop'])
  await box.ok(['rollback', 'shop', '--to', '1'])
  assert.deepEqual(await states(), [[1, 'serving'], [2, 'taken back'], [3, 'failed'], [4, 'aborted']])
  const { releases } = JSON.parse((await box.ok(['releases', '--json'])).stdout)
  const failed = releases.find(({ state }) => state === 'failed')
  assert.match(failed.why, /^api\.\d@local: /)
  assert.equal(failed.stateBy, failed.by)
  assert.ok(Date.parse(failed.stateAt) >= Date.parse(failed.at), JSON.stringify(failed))
  const { stdout } = await box.ok(['releases'])
  assert.match(stdout, /^RELEASE +STATE +AGE +BY +HOST +FILES +SIZE +NOTE +WHY\n/)
  assert.match(stdout, /^ *1 +serving /m)
  assert.match(stdout, /^ *3 +failed .* api\.\d@local: /m)
  assert.match(stdout, /^ *4 +aborted .* aborted by \S+$/m)
  await box.ok(['down', '--project', 'shop'])
  assert.deepEqual((await states())[0], [1, 'before'])
})

test('releases of several projects are told apart, each with its size', async (t) => {
  const box = await open(t)
  await box.deploy()
  box.port = await freePort()
  box.service({}, 'other', 'side')
  box.write('ballast.bin', 'a small one')
  await box.deploy()
  const { stdout } = await box.ok(['releases'])
  assert.match(stdout, /^PROJECT +RELEASE +STATE .*\nshop +1 +serving .* 3\.0 MiB.*\nside +1 +serving .* (\d+\.\d KiB|\d+ bytes)/)
  assert.deepEqual((await box.ok(['releases', '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line).project), ['shop', 'side'])
  assert.doesNotMatch((await box.ok(['releases', 'side'])).stdout, /PROJECT|shop/)
})

test('canaries come first, and wait for what is said of them', async (t) => {
  const box = await open(t)
  box.service({ instances: 3 })
  await box.deploy()
  box.word('two')
  await box.ok(['deploy', '-d', '--canary', '1'])
  await box.until(({ phase }) => phase === 'canary')
  const other = await box.done(['deploy'])
  assert.equal(other.code, 1)
  assert.match(other.stderr, /shop is being changed already .*`warren abort shop`/s)
  const shown = (await box.ok(['status', 'shop'])).stdout
  assert.match(shown, /^shop {2}release 1 -> 2, canary \(.*\n {2}SERVICE .* UPDATED\n {2}api .* 1 of 3\n/)
  assert.match(shown, /\n {2}the canaries are well: `warren promote shop` goes on with all others, `warren abort shop` goes back\n/)
  await box.ok(['abort', 'shop'])
  const returned = (await box.ok(['status', 'shop'])).stdout
  assert.match(returned, /^shop {2}release 1, returned \(/)
  assert.doesNotMatch(returned, /UPDATED|warren promote/)
  assert.deepEqual(await box.words(), ['one'])
  await box.ok(['deploy', '-d', '--canary', '1'])
  const { services } = await box.until(({ phase }) => phase === 'canary')
  assert.equal(services[0].updated, 1)
  await box.ok(['promote', 'shop'])
  assert.deepEqual(await box.words(), ['two'])
})

test('a deployment outlives the command that asked for it, and the agent that carries it out', async (t) => {
  const box = await open(t)
  await box.deploy()
  const before = await box.pids()
  box.word('slow') // never ready
  const command = box.warren(['deploy'])
  await box.until(({ deployment, phase }) => deployment === 2 && phase === 'rolling')
  command.kill('SIGINT')
  const { code, stderr } = await command.ended
  assert.equal(code, 130)
  assert.match(stderr, /the deployment of shop goes on: .*`warren abort shop` takes it back/)
  await box.killAgent(box.first)
  assert.deepEqual(await box.words(), ['one'], 'what ran serves without an agent')
  await box.agent()
  await box.until(({ deployment, phase }) => deployment === 2 && phase === 'rolling')
  await box.ok(['abort', 'shop'])
  assert.deepEqual(await box.words(), ['one'])
  assert.equal((await box.pids()).length, before.length)
  box.word('two')
  await box.deploy()
  assert.deepEqual(await box.words(), ['two'])
})

test('deploy --json tells each step when it is taken, also into a pipe', async (t) => {
  const box = await open(t)
  await box.deploy()
  box.word('two')
  const deploy = box.warren(['deploy', '--json', '--canary', '1'])
  await deploy.until(/"phase":"canary"/)
  await box.ok(['promote', 'shop'])
  assert.equal((await deploy.ended).code, 0)
})

test('an agent that is killed in the midst of a rollout is followed by one that ends it', async (t) => {
  const box = await open(t)
  box.service({ instances: 4 })
  await box.deploy()
  box.word('two')
  await box.ok(['deploy', '-d'])
  await box.until(({ services }) => services[0]?.updated >= 1)
  await box.killAgent(box.first)
  await box.agent()
  await box.until(({ deployment, phase }) => deployment === 2 && phase === 'done')
  assert.deepEqual(await box.words(), ['two'])
  assert.equal((await box.pids()).length, 4)
})

test('an agent that was killed before it had kept what it knew of a release asks for it again, and calls nothing failed', async (t) => {
  const box = await open(t)
  await box.deploy()
  box.word('slow')
  await box.ok(['deploy', '-d'])
  await box.until(({ services }) => services[0].instances.some(({ release, state }) => release === 2 && state === 'starting'))
  const known = path.join(box.state, 'deploy/orders/api.2')
  await exists(known)
  await box.killAgent(box.first)
  fs.rmSync(known)
  await box.agent()
  await exists(known)
  await box.ok(['abort', 'shop'])
  assert.match((await box.shop()).why, /^aborted by/)
  assert.deepEqual(await box.words(), ['one'])
})

test('time that is over ends the command, not the deployment', async (t) => {
  const box = await open(t)
  await box.deploy()
  box.word('slow')
  const { stderr } = await box.deploy(['--timeout', '1s'], 124)
  assert.match(stderr, /shop is not as it should be yet, and goes on/)
  await box.ok(['abort', 'shop'])
})

test('a configuration that takes its time is waited for as long as --timeout says', async (t) => {
  const box = await open(t)
  const config = fs.readFileSync(box.path('warren.config.mjs'), 'utf8')
  box.write('warren.config.mjs', `await new Promise((resolve) => setTimeout(resolve, 10_500))\n${config}`) // 10 s without it
  await box.deploy(['--dry-run', '--timeout', '120s'])
})

test('a service without its secret fails with what to do about it', async (t) => {
  const box = await open(t)
  box.service({ secrets: ['DB_PASSWORD'] })
  const { deployed } = await box.deploy([], 1)
  assert.match(deployed.why, /warren secret set DB_PASSWORD/)
  const set = box.warren(['secret', 'set', 'DB_PASSWORD'])
  set.stdin.end('open sesame')
  assert.equal((await set.ended).code, 0)
  await box.deploy()
  assert.deepEqual(await box.words(), ['one'])
})

test('an agent without deployments has no store', async (t) => {
  const box = await open(t)
  for (const args of [['ps'], ['status'], ['releases'], ['status', '--json']]) await box.done(args)
  assert.ok(!fs.existsSync(path.join(box.state, 'store.db')))
})

test('an agent that ends with its run takes no part, and says what does', async (t) => {
  const box = await Sandbox.open(t)
  const run = box.warren(['run', 'server.js'])
  await run.until(/serves one/)
  const { code, stderr } = await box.done(['deploy'])
  assert.equal(code, 4, stderr)
  assert.match(stderr, /deployments need one that lasts: .*`warren agent/)
})

test('the store is copied while it is used, and put back when no agent runs', async (t) => {
  const box = await open(t)
  const copy = path.join(box.dir, 'copy.db')
  await box.deploy()
  await box.ok(['store', 'backup', copy])
  const again = await box.done(['store', 'backup', copy])
  assert.equal(again.code, 1, 'it is not written over')
  box.word('two')
  await box.deploy()
  const busy = await box.done(['store', 'restore', copy])
  assert.equal(busy.code, 1)
  assert.match(busy.stderr, /`warren agent --stop` first/)
  await box.ok(['agent', '--stop'])
  await box.ok(['store', 'restore', copy])
  await box.agent()
  await box.until(({ running, services }) => running === 1 && services[0].instances.every(({ release, state, pid }) =>
    release === 1 && state === 'ready' && isAlive(pid)))
  assert.deepEqual(await box.words(), ['one'], 'the release of then runs')
})

test('a deployment that a disk has no room for says what it needs, and is done when there is room', async (t) => {
  const box = await smallDisk(t, await Sandbox.open(t), '16m')
  if (!box) return
  await box.deploy()
  box.word('two')
  box.write('noise.bin', crypto.randomBytes(9 << 20))
  const { stderr } = await box.deploy([], 1)
  assert.match(stderr, /^warren: the disk with \S+ is full: the release needs up to \d+\.\d MiB more there, and \d\.\d MiB are free, .*: make room on that disk, then run this again/m)
  assert.deepEqual(await box.words(), ['one'], 'what ran serves on')
  box.growDisk('64m')
  const { accepted } = await box.deploy()
  assert.equal(accepted.release, 2)
  assert.deepEqual(await box.words(), ['two'])
})
