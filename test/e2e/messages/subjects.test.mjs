// Subjects and queue groups are those of NATS: the same random ones, here and at a real nats-server.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from './cluster.mjs'
import { Client, startServer } from './nats.mjs'

const SEED = Number(process.env.SEED ?? Date.now() % 1e9)
const ROUNDS = 12
const PATTERNS = 150
const SUBJECTS = 150

let state = SEED
function random(below) { // mulberry32
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) % below
}
const oneOf = (list) => list[random(list.length)]
const TOKENS = ['a', 'b', 'c', 'ab', '$', '0', 'a-b', '\u00e9'] // few, so that many match
const tokens = (make) => Array.from({ length: 1 + random(5) }, make).join('.')
const subject = () => tokens(() => oneOf(TOKENS))
const pattern = () => {
  const text = tokens(() => (random(3) === 0 ? '*' : oneOf(TOKENS)))
  return random(3) > 0 ? text : random(8) === 0 ? '>' : `${text}.>`
}
const asBytes = (text) => Buffer.from(text).toString('latin1')

let server, nats, cluster, publisher, receivers
before(async () => {
  server = await startServer()
  nats = await Client.open(server.port)
  cluster = await Cluster.start()
  publisher = await cluster.member('publisher')
  receivers = await cluster.members('one', 'two')
})
after(async () => {
  nats?.close()
  await server?.stop()
  await cluster?.stop()
})

// In a receiver: subscribes to all; `got` becomes [index of the pattern, message].
const listen = async (mesh, keep, wanted, number) => {
  keep.got = []
  keep.subscriptions = wanted.map(([index, pattern, queue]) => [index, mesh.subscribe(pattern, { queue, highWaterMark: 1e6 })])
  keep.ended = mesh.subscribe(`END.${number}`)
  for (const [index, subscription] of keep.subscriptions) {
    void (async () => { for await (const { data } of subscription) if (data >= 0) keep.got.push([index, data]) })()
  }
  await Promise.all([keep.ended, ...keep.subscriptions.map(([, s]) => s)].map((s) => s.ready))
}
const finish = async (mesh, keep) => {
  await keep.ended.next() // of all messages the last
  await new Promise(setImmediate)
  for (const [, subscription] of keep.subscriptions) subscription.unsubscribe()
  keep.ended.unsubscribe()
  return keep.got
}
const publishAll = async (mesh, keep, subjects, number) => {
  subjects.forEach((subject, i) => mesh.publish(subject, i))
  mesh.publish(`END.${number}`, -1)
  await mesh.flush()
}

async function hereAndThere(wanted, subjects, number) {
  wanted.forEach(([index, pattern, queue]) => nats.subscribe(asBytes(pattern), index, queue))
  subjects.forEach((subject, i) => nats.publish(asBytes(subject), String(i)))
  await nats.flush()
  const there = nats.messages.splice(0).map(([, index, data]) => [index, Number(data)])
  nats.close()
  nats = await Client.open(server.port)

  await Promise.all(receivers.map((receiver, r) => receiver.run(listen, wanted.filter(([index]) => index % 2 === r), number)))
  await publisher.run(publishAll, subjects, number)
  const here = (await Promise.all(receivers.map((receiver) => receiver.run(finish)))).flat()
  return [here, there]
}

const sorted = (pairs) => pairs.map(([index, data]) => data * 1e4 + index).sort((a, b) => a - b)

test(`random subjects reach the subscriptions that they reach at nats-server (SEED=${SEED})`, async () => {
  let matched = 0
  for (let round = 0; round < ROUNDS; round++) {
    const wanted = Array.from({ length: PATTERNS }, (_, i) => [i, pattern(), undefined])
    const subjects = Array.from({ length: SUBJECTS }, subject)
    const [here, there] = await hereAndThere(wanted, subjects, round)
    assert.deepEqual(sorted(here), sorted(there))
    matched += here.length
  }
  const pairs = ROUNDS * PATTERNS * SUBJECTS
  console.log(`# ${pairs} pairs of pattern and subject, ${matched} match`)
  assert.ok(matched > pairs / 100, 'too few match for a comparison')
})

test(`of each queue group, whatever its members' patterns, exactly one gets a message, as at nats-server (SEED=${SEED})`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const wanted = Array.from({ length: 60 }, (_, i) => [i, pattern(), oneOf([undefined, 'g', 'g2', 'other'])])
    const subjects = Array.from({ length: SUBJECTS }, subject)
    const [here, there] = await hereAndThere(wanted, subjects, ROUNDS + round)
    // Who of a group is free: instead of a member, count its group.
    const ofGroups = (pairs) => pairs.map(([index, data]) => `${data} ${wanted[index][2] ?? index}`).sort()
    assert.deepEqual(ofGroups(here), ofGroups(there))
  }
})

test(`what nats-server refuses as a subject or pattern is refused here (SEED=${SEED})`, async () => {
  const strict = await Client.open(server.port, { verbose: true, pedantic: true })
  const odd = ['a', 'b', '*', '>', '', 'a*', '*a', 'a>', '>a', '**', '>>']
  const texts = new Set(Array.from({ length: 600 }, () => tokens(() => oneOf(odd))))
  texts.delete('')
  const cases = []
  for (const text of texts) cases.push([text, await strict.accepts(`SUB ${text} ${cases.length}`)])
  const taken = await publisher.run(async (mesh, keep, texts) => texts.map((text) => {
    try { mesh.subscribe(text).unsubscribe() } catch (err) { return err.code }
    return true
  }), [...texts])
  for (const [i, [text, isTaken]] of cases.entries()) {
    // Here a wildcard is a whole token; at NATS one inside a token is a letter like others.
    const expected = isTaken && !text.split('.').some((token) => token.length > 1 && /[*>]/.test(token)) ? true : 'ERR_WARREN_BAD_SUBJECT'
    assert.equal(taken[i], expected, text)
  }
  strict.close()
})
