// How commands about projects end (docs/cli.md, Exit codes): one table, with what each of them says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from '../deploy/sandbox.mjs'

const VERBS = ['config', 'up', 'down', 'scale', 'deploy', 'rollback', 'promote', 'abort', 'releases', 'status', 'events', 'drain', 'undrain',
  'secret', 'store']

// A row: the command, its exit code, and a part of what it says.
async function expectAll(box, rows) {
  for (const [words, code, said] of rows) {
    const args = words.split(' ')
    const end = await box.done(args)
    const all = end.stdout + end.stderr
    assert.equal(end.code, code, `warren ${words}: ${all}`)
    if (said) assert.match(all, said, `warren ${words}`)
    if (code !== 0 && args[0] !== 'config') assert.match(end.stderr, /^warren: \S.{20,}|^\S+:\d+:\d+: /m, `warren ${words} says why`)
  }
}

test('each says how it is used, and what is wrong with a word', async (t) => {
  const box = await Sandbox.open(t)
  for (const verb of VERBS) {
    const { code, stdout } = await box.done([verb, '--help'])
    assert.equal(code, 0, verb)
    assert.match(stdout, /Example/i, verb)
    assert.match(stdout, /--json/, verb)
    const wrong = await box.done([verb, '--jsno'])
    assert.equal(wrong.code, 2, verb)
    assert.match(wrong.stderr, /--json/, `${verb}: did you mean`)
  }
})

test('without an agent', async (t) => {
  const box = await Sandbox.open(t)
  await expectAll(box, [
    ['config check', 0],
    ['config check nowhere.mjs', 2, /nowhere/],
    ['up nowhere.mjs', 2, /nowhere/],
    ['down', 0, /nothing of shop runs/],
    ['down --project nosuch', 3, /no project nosuch is known here/],
    ['down --forget', 4, /`warren agent`/],
    ['scale api=2', 4, /`warren agent` starts one/],
    ['deploy', 4, /`warren agent` starts one/],
    ['deploy nowhere', 2, /nowhere/],
    ['rollback shop', 4, /`warren agent`/],
    ['promote shop', 4, /`warren agent`/],
    ['abort shop', 4, /`warren agent`/],
    ['releases', 4, /`warren agent`/],
    ['status', 4, /`warren agent`/],
    ['events', 4, /no agent/],
    ['drain local', 4, /`warren agent`/],
    ['undrain local', 4, /`warren agent`/],
    ['store backup copy.db', 3, /no store/],
    ['store restore nowhere.db', 1, /cannot read the backup nowhere\.db: No such file.*`warren store backup FILE`/],
    ['store restore server.js', 1, /server\.js is no backup of a store, and nothing was done: name a file/],
    ['agent --label zone', 2, /"zone" is no label.*`--label zone=a`/],
  ])
})

test('where nothing was deployed', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await expectAll(box, [
    ['scale api', 2, /api=4/],
    ['scale api=2', 3, /no service/],
    ['rollback', 3, /`warren deploy DIR`/],
    ['rollback shop', 3, /no project shop/],
    ['promote shop', 3, /no project shop/],
    ['abort shop', 3, /no project shop/],
    ['releases shop', 3, /no release of shop/],
    ['down --forget', 3, /no project shop was deployed here/],
    ['status shop', 3, /no project shop/],
    ['status', 0, /nothing was deployed|HOST/],
    ['events nosuch', 3, /no event names nosuch: `warren events` prints all/],
    ['deploy --canary 99', 2, /--canary 99 is more than any service of shop has: the most are 2/],
    ['drain', 2, /which host/],
    ['drain local --timeout 5s', 2, /`warren drain local --wait --timeout TIME`/],
    ['drain nobody', 3, /no host nobody/],
    ['undrain nobody', 3, /no host nobody/],
    ['secret rm NOTHING', 3],
    ['secret set NODE_X', 2, /NODE_/],
    ['store', 2, /backup FILE/],
    ['store bakcup copy.db', 2, /did you mean backup/],
  ])
})

test('of what was deployed', async (t) => {
  const box = await Sandbox.open(t)
  await box.agent()
  await box.ok(['deploy', '-n'])
  await expectAll(box, [['deploy', 0, /shop runs release 1/]])
  await expectAll(box, [
    ['status shop', 0, /release 1, done/],
    ['releases', 0, /serving/],
    ['rollback shop', 1, /--to N/],
    ['rollback shop --to 7', 3, /no release 7/],
    ['rollback shop --to 1', 1, /runs already/],
    ['rollback shop --to x', 2, /--to/],
    ['promote shop', 1, /no canaries/],
    ['abort shop', 1, /nothing of shop is under way/],
    ['scale api=1001', 2],
    ['scale api=3', 0, /3 instances/],
    ['up -d', 1, /shop is deployed/],
    ['drain local', 1, /no other host may run api now, so it would stop, and nothing was done: `warren drain local --force` drains it all the same/],
    ['drain local --wait --timeout 5m --force', 0, /nothing that was deployed runs on local/],
    ['drain local', 0],
    ['undrain local', 0],
    ['events shop', 0, /release 1 is deployed/],
    ['store backup /nowhere/copy.db', 2, /nowhere/],
    ['store restore copy.db', 1, /`warren agent --stop` first/],
  ])
  box.word('slow')
  await expectAll(box, [
    ['deploy --timeout 500ms', 124, /goes on/],
    ['deploy', 1, /is being changed already/],
    ['scale api=4', 1, /is being changed already/],
    ['abort shop', 0, /as it was before/],
  ])
  box.word('broken')
  await expectAll(box, [['deploy', 1, /failed, and release 1 runs as before/], ['down --project shop', 0, /shop is down/]])
})
