// `warren up` in a terminal: shows what the services write, and stops them with Ctrl-C.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from './sandbox.mjs'

async function open(t) {
  const box = await Sandbox.open(t)
  box.write('talk.js', 'console.log(`says ${process.env.WORD}`); setInterval(() => {}, 1000)\n')
  box.config({ name: 'shop', services: {
    one: { entry: './talk.js', env: { WORD: 'first' } }, two: { entry: './talk.js', env: { WORD: 'second' } },
  } })
  return box
}

test('what the services write is shown with their names, and Ctrl-C stops all of them', async (t) => {
  const box = await open(t)
  const up = box.warren(['up'])
  await up.until(/one\.0 .*says first/)
  await up.until(/two\.0 .*says second/)
  up.kill('SIGINT')
  const end = await up.ended
  assert.equal(end.code, 130, end.stderr)
  assert.match(end.stderr, /stopping shop \(Ctrl-C again kills it\)/)
  assert.equal((await box.done(['ps'])).code, 4) // its agent has gone with it
})

test('a second signal kills what does not want to end', async (t) => {
  const box = await open(t)
  box.write('talk.js', 'process.on("SIGTERM", () => console.log("hears")); setInterval(() => {}, 1000); console.log("runs")\n')
  const up = box.warren(['up'])
  await up.until(/one\.0.*runs/)
  await up.until(/two\.0.*runs/)
  up.kill('SIGTERM')
  await up.until(/hears[^]*hears/)
  up.kill('SIGTERM')
  assert.equal((await up.ended).code, 143)
})

test('what a service writes while it stops is shown to its end, also when another one is over already', async (t) => {
  const box = await open(t)
  box.write('talk.js', `if (process.env.WORD === 'second') process.exit()
    process.on('SIGTERM', () => setTimeout(() => { console.log('good-bye'); process.exit() }, 300))
    setInterval(() => {}, 1000); console.log('runs')\n`)
  const up = box.warren(['up'])
  await up.until(/one\.0.*runs/)
  while ((await box.nodes()).some(({ name, state }) => name === 'two.0' && state !== 'down')) continue
  up.kill('SIGINT')
  const end = await up.ended
  assert.match(end.stdout, /one\.0.*good-bye/)
})

test('Ctrl-C while it is being brought up stops what runs already', async (t) => {
  const box = await open(t)
  await box.agent()
  box.write('never.js', 'console.log("waits"); setInterval(() => {}, 1000)\n')
  box.config({ name: 'shop', services: {
    one: { entry: './talk.js' }, slow: { entry: './never.js', health: { ready: 'listen', timeout: '10m' } },
  } })
  const up = box.warren(['up'])
  const slow = async () => (await box.nodes()).find(({ name, pid }) => name === 'slow.0' && pid > 0)
  while (await slow() === undefined) continue
  up.kill('SIGINT')
  const end = await up.ended
  assert.equal(end.code, 130)
  assert.match(end.stderr, /stopping shop\n/)
  assert.deepEqual(await box.names(), [])
  const detached = box.warren(['up', '-d'])
  while (await slow() === undefined) continue
  detached.kill('SIGINT')
  assert.match((await detached.ended).stderr, /shop is up in part: `warren up` goes on from here/)
  assert.deepEqual(await box.names(), ['one.0', 'slow.0'])
})

test('it ends when all services have, with the first exit code that is not 0', async (t) => {
  const box = await open(t)
  box.write('talk.js', 'setTimeout(() => process.exit(process.env.WORD === "second" ? 7 : 0), 1500)\n')
  box.config({ name: 'shop', services: {
    one: { entry: './talk.js', restart: 'never', env: { WORD: 'first' } }, two: { entry: './talk.js', restart: 'never', env: { WORD: 'second' } },
  } })
  assert.equal((await box.warren(['up']).ended).code, 7)
})

test('a second one changes the project and shows it too, and the first one goes on', async (t) => {
  const box = await open(t)
  const first = box.warren(['up'])
  await first.until(/two\.0 .*says second/)
  box.config({ name: 'shop', services: {
    one: { entry: './talk.js', env: { WORD: 'third' } }, two: { entry: './talk.js', env: { WORD: 'second' } },
  } })
  await box.up()
  await first.until(/one\.0 .*says third/)
  await box.ok(['down'])
  assert.equal((await first.ended).code, 143)
})
