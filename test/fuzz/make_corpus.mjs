// Writes the seed corpora: `node test/fuzz/make_corpus.mjs`. What the fuzzers found is kept beside them, by hash.
import { mkdirSync, writeFileSync } from 'node:fs'

const here = new URL('corpus/', import.meta.url)
const save = (target, name, ...parts) => {
  mkdirSync(new URL(target, here), { recursive: true })
  writeFileSync(new URL(`${target}/${name}`, here), Buffer.concat(parts.map((part) => Buffer.from(part))))
}
const be = (size, value) => {
  const out = Buffer.alloc(size)
  for (let i = size - 1, rest = BigInt(value); i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 255n)
  return out
}
const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)))

// protobuf by hand: varint and length-delimited fields
const varint = (value) => {
  const out = []
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...out, Number(rest)])
    out.push(Number(rest & 127n) | 128)
  }
}
const field = (id, value) =>
  typeof value === 'number' || typeof value === 'bigint'
    ? join(varint(id * 8), varint(value))
    : join(varint(id * 8 + 2), varint(Buffer.from(value).length), value)
const fixed64 = (id, value) => join(varint(id * 8 + 1), be(8, value).reverse())

const ready = join(field(1, 1), field(2, 1), fixed64(4, 2), field(5, 16384), field(6, 1 << 20), field(7, 4096), field(8, 4096))
const goaway = join(field(1, 1), field(2, 'bye'))

// bodies
const callId = be(8, (1n << 32n) | 0n)
const bodies = {
  ready,
  goaway,
  ping: be(8, 77),
  credit: be(8, 9000),
  shape: join(be(2, 0), [2], [2], 'id', [4], 'name'),
  request: join(be(8, 5), be(4, 1000), be(4, 1), [0], [3], 'run', 'payload'),
  reply: join(callId, [0], 'payload'),
  error: join(callId, be(2, 1), [1], [0], 'payload'),
  cancel: join(be(8, 5), be(2, 4)),
  item: join(callId, [0], 'payload'),
  grant: join(callId, be(8, 70000)),
  input: join(be(8, 5), [0], 'payload'),
  take: join(callId, be(8, 70000)),
  pub: join([0], [2], [3], be(4, 2), be(4, 3), 'a.b', 'payload'),
}
const types = { ready: 1, ping: 2, goaway: 4, credit: 0x10, shape: 0x12, request: 0x21, reply: 0x22, error: 0x23, cancel: 0x24, item: 0x30, grant: 0x31, input: 0x32, take: 0x33, pub: 0x42 }
const channels = { credit: 1, request: 1, reply: 3, error: 3, cancel: 1, item: 6, grant: 1, input: 6, take: 1, pub: 2 }
const frame = (name, flags = 1, body = bodies[name]) =>
  join(be(3, body.length), [types[name], flags], be(4, channels[name] ?? 0), body)
const record = (...frames) => {
  const plain = join(...frames)
  return join(be(2, plain.length), plain)
}

for (const name of Object.keys(bodies)) {
  save('frame', `body-${name}`, bodies[name])
  save('frame', `record-${name}`, record(frame(name)))
}
save('frame', 'several-frames', record(frame('ping'), frame('pub'), frame('request')))
save('frame', 'frame-over-record', be(2, 12), frame('pub'))
save('frame', 'empty-record', be(2, 0), record(frame('ping')))

// agent_link: the first byte: bit 0 READY was sent already, the rest the size of the pieces
const agent = (flags, body) => join(be(3, Buffer.from(body).length), [0x60, flags], be(4, 2), body)
save('agent_link', 'greeting', [0xfe], record(frame('ready')), record(agent(1, 'overlay'), frame('ping')), record(frame('goaway')))
save('agent_link', 'bytewise', [1], record(agent(1, 'overlay')), record(frame('credit', 1, be(8, 90000))))
save('agent_link', 'fragments', [0xff], record(agent(3, join(be(4, 10), 'first')), frame('ping'), agent(0, 'other')))
save('agent_link', 'too-large', [0xff], record(agent(3, join(be(4, 1 << 20), 'first'))))
save('agent_link', 'of-nodes', [0xff], record(frame('pub')))
save('agent_link', 'shape', [0xff], record(frame('shape')))
save('agent_link', 'pings', [0xff], record(...Array.from({ length: 70 }, () => frame('ping'))))

// link: first byte even = stream (bit 1: READY was sent already), odd = commands
const later = Object.keys(bodies).filter((name) => name !== 'ready')
save('link', 'stream-greeting', [0xfc], record(frame('ready')), ...later.map((name) => record(frame(name))))
save('link', 'stream-all-in-one-record', [0xfe], record(...later.filter((name) => name !== 'goaway').map((name) => frame(name))))
save('link', 'stream-bytewise', [2 & ~0xfd], record(frame('pub')), record(frame('request')), record(frame('cancel')))
save('link', 'stream-second-ready', [0xfe], record(frame('ready')))
save('link', 'stream-same-call-twice', [0xfe], record(frame('request'), frame('request')))
save('link', 'stream-falling-credit', [0xfe], record(frame('credit', 1, be(8, 100))))
const total = join(be(4, bodies.pub.length), bodies.pub.subarray(0, 10))
save('link', 'stream-fragments', [0xfe], record(frame('pub', 3, total), frame('ping'), frame('pub', 2, bodies.pub.subarray(10, 15)), frame('pub', 0, bodies.pub.subarray(15))))
save('link', 'stream-first-twice', [0xfe], record(frame('pub', 3, total), frame('pub')))
save('link', 'stream-huge-total', [0xfe], record(frame('pub', 3, join(be(4, 0xffffffff), 'x'))))
save('link', 'stream-empty-fragment', [0xfe], record(frame('pub', 3, total), frame('pub', 2, Buffer.alloc(0))))
const order = ['ready', 'ping', 'pong', 'goaway', 'credit', 'shape', 'request', 'reply', 'error', 'cancel', 'pub', 'none', 'item', 'grant', 'input', 'take']
// 128 is the first command, and a multiple of the 16 types.
const command = (name, flags = 1, body = bodies[name]) => join([128 + order.indexOf(name), flags], be(2, body.length), body)
for (const name of later) save('link', `command-${name}`, [3], command(name), [2, 3, 6])
save('link', 'commands-of-a-life', [3], [0, 8, 4, 0x7e], command('request'), [2], command('pub'), [3], command('reply'), [1, 5, 5, 15], command('shape'), [4, 0, 7])
// Program steps: 0x42 | slot << 3 streams; slot 2 and 3 are calls with an input, slot n + 8 of an even command gives credit.
const withInput = bodies.request.map((byte, at) => (at === 16 ? 2 : byte))
const atSlot = (slot, body) => join(be(8, (1n << 32n) | BigInt(slot)), body.subarray(8))
save('link', 'commands-input', [3], command('request', 1, withInput), [0x52], command('input'), command('input', 1, bodies.input.subarray(0, 9)), [0x42, 2, 6])
save('link', 'commands-input-made', [3], [0x10], command('take', 1, atSlot(2, bodies.take)), [0x5a, 0x52, 6], command('take', 1, join(atSlot(2, bodies.take).subarray(0, 8), be(8, 0))), command('reply', 1, atSlot(2, bodies.reply)))

for (const [name, pattern, subject] of [
  ['equal', 'a.b', 'a.b'], ['star', 'a.*', 'a.b'], ['rest', 'a.>', 'a.b.c'], ['all', '>', 'x'], ['inner', '*.b.*', 'a.b.c'],
  ['empty-token', 'a..b', 'a'], ['star-in-token', 'a*', 'ab'], ['many', Array(17).fill('a').join('.'), 'a'], ['blank', 'a b', 'a'],
]) save('subject', name, pattern, '\n', subject)

for (const [name, version, range] of [
  ['caret', '2.1.0', '^2.1'], ['short', '2.1.0', '2'], ['prerelease', '2.1.0-rc.1', '2.1.0-rc.1'],
  ['large', '999999999.0.0', '^0.0'], ['empty', '', ''],
]) save('version', name, version, '\n', range)

const shapes = join([2], [8, 0, 0, 2, 1], 'a', [2], 'bc', [5, 0, 1, 1, 1], 'x')
for (const [name, bytes] of [
  ['object', [0x93, 0xd5, 1, 0, 0, 1, 2]], ['objects', [0x92, 0x92, 0xd5, 1, 0, 1, 0x93, 0xd5, 1, 0, 0, 0xc0, 0x92, 0xd5, 1, 0, 1, 5, 7]],
  ['set', [0xc7, 7, 4, 0x91, 0x92, 0xd5, 1, 0, 1, 1]], ['error', [0xc7, 7, 10, 0x94, 0xa0, 0xa0, 0xa0, 0x81, 0xa0, 0xc0]], ['unknown', [0x92, 0xd5, 1, 0, 9, 1]],
  ['headers', [0x81, 0xa1, 0x61, 0xa1, 0x62]], ['many', [0xdd, 0xff, 0xff, 0xff, 0xff]], ['deep', Buffer.alloc(65, 0x91)],
  ['map', [0xc7, 4, 3, 0x92, 1, 0xd9, 0]], ['cut', [0xdb, 0, 0, 0, 9, 0x61]],
]) save('payload', name, shapes, bytes)

const entry = join(field(1, 1), field(2, 1), field(3, 'a.*'), field(4, 'q'))
const owned = join(fixed64(1, 2), field(2, entry))
const peer = join(fixed64(1, 2), field(2, 'app.0'), field(3, 'app'), field(4, 0), field(5, 'host'), field(6, 99))
const run = join(field(1, 'app'), field(2, '/srv/app.js'), field(3, '-x'), field(4, 'A=1'), field(5, '/srv'), field(6, 4))
save('control', 'ready', [0], ready)
save('control', 'goaway', [1], goaway)
save('control', 'announce', [2], field(2, field(1, entry)))
save('control', 'connect', [2], field(4, join(fixed64(1, 2), field(2, 1))))
save('control', 'listen', [2], field(5, join(field(1, 1), field(2, '::'), field(3, 80))))
save('control', 'registry', [3], field(3, join(field(1, peer), field(2, owned), field(3, owned))))
save('control', 'down', [3], field(4, join(fixed64(1, 2), field(2, 'crash'), field(3, 1))))
save('control', 'hello', [4], field(2, 1), field(3, 7), field(4, 'me'))
save('control', 'run', [5], field(1, run))
save('control', 'nodes', [6], field(3, field(1, join(fixed64(1, 2), field(2, 'app.0')))))
save('control', 'launch', [7], field(1, join(fixed64(1, 2), field(2, 'app.js'), field(3, 'A=1'))))
save('control', 'launched', [8], field(2, join(fixed64(1, 2), field(2, 55))))
save('control', 'unknown-fields', [0], ...Array.from({ length: 300 }, () => [0x7a, 0]))

const token = (...more) =>
  join(field(1, Buffer.alloc(16, 1)), field(2, Buffer.alloc(32, 2)), fixed64(3, 77), field(4, Buffer.alloc(32, 3)), field(5, 1_800_000_000), ...more)
const address = field(6, '10.0.0.1:7400')
save('ticket', 'message', [0], token(address))
save('ticket', 'message-of-two-roots', [0], token(field(2, Buffer.alloc(32, 4)), address, field(6, '[::1]:7400')))
save('ticket', 'no-address', [0], token())
save('ticket', 'unknown-field', [0], token(address, field(9, 'x')))
save('ticket', 'text', [1], 'warren1:', token(address).toString('base64url'))
// A whole one, that `warren token create` made of keys that are gone.
const real = 'warren1:ChDSIQPIQTtHiNDAVi2k02t0EiBbZoZAUXmWJ7FoeajkQwvT5t2bVKoAkJ0Z0Oa8nwYcFxnMSBCY8IhxFCIgFQImyFfmg_7DKP5tSKbwkN1jXE-tHGDdBhCxssoWFKAo9tme2AYyElsyMDAxOmRiODo6MV06NzQwMDy65Dc'
save('ticket', 'real-text', [1], real)
save('ticket', 'real-message', [0], Buffer.from(real.slice(8), 'base64url').subarray(0, -4))
save('ticket', 'text-of-another-version', [1], ' warren2:AAAA\n')
save('ticket', 'text-with-padding', [1], 'warren1:AAAA==')

const request = join(field(1, Buffer.alloc(32, 1)), field(2, 'newcomer'), field(3, Buffer.alloc(64, 2)))
const answer = join(field(1, Buffer.alloc(300, 1)), field(1, Buffer.alloc(300, 2)), field(2, Buffer.alloc(32, 3)), field(3, 1), field(4, 'a:1'), field(4, 'b:2'))
save('enrol', 'request', [0], request)
save('enrol', 'request-without-name', [0], field(1, Buffer.alloc(32, 1)), field(3, Buffer.alloc(64, 2)))
save('enrol', 'answer', [1], answer)
save('enrol', 'answer-of-many-seeds', [1], answer, ...Array.from({ length: 9 }, () => field(4, 'c:3')))
save('enrol', 'refusal', [1], field(5, 'this token \u001b[31mwas used already'))
save('enrol', 'long-refusal', [1], field(5, 'x'.repeat(300)))
save('enrol', 'empty-record', [2], be(2, 0))
save('enrol', 'huge-record', [3], be(2, 65535))
save('enrol', 'unsealed-record', [2], be(2, request.length), request)
save('enrol', 'name', [4], 'db-1')
save('enrol', 'bad-name', [4], 'a b')

// discovery: the first byte chooses (discovery_fuzz.c)
const b64 = (text) => Buffer.from(text).toString('base64')
const discovery = {
  'spec-seeds': [[0], 'seeds:h1:7401,h2,[fd00::1]:7403'],
  'spec-dns': [[0], 'dns:cluster.example:7400'],
  'spec-srv': [[0], 'srv:_warren._tcp.example'],
  'spec-etcd': [[0], 'etcd:https://store:2379/teams/a'],
  'spec-file': [[0], 'file:/etc/warren/hosts'],
  lines: [[1], '# hosts\n h1:7401 # one\r\nh2\n[::1]:3\nwrong line\nh3:74'],
  cache: [[2], 'warren candidates 1\nsource dns:x:1\n10.0.0.1:7400 x\n[fd00::1]:1 x\nend 2 0123456789abcdef0123456789abcdef\n'],
  dns: [[3], be(2, 1), be(2, 0x8180), be(2, 1), be(2, 1), be(4, 0), [1], 'a', [0], be(2, 33), be(2, 1),
    [0xc0, 12], be(2, 33), be(2, 1), be(4, 300), be(2, 3), 'abc'],
  'etcd-grant': [[4], '{"header":{},"ID":"7587899161564719621","TTL":"2"}'],
  'etcd-keepalive': [[4], '{"result":{"header":{},"ID":"123","TTL":"2"}}'],
  'etcd-error': [[4], '{"error":"etcdserver: requested lease not found","code":5}'],
  'etcd-range': [[4], `{"kvs":[{"key":"${b64('/p/hosts/a')}","value":"${b64('h:1')}"},{"value":"!"},{"key":7}],"count":"3"}`],
}
for (const [name, parts] of Object.entries(discovery)) save('discovery', name, ...parts)

// store: the first byte chooses (store_fuzz.c)
const etcd = (kind, name, answer) => save('store', name, [kind], typeof answer === 'string' ? answer : JSON.stringify(answer))
const header = { cluster_id: '1', revision: '9' }
const kv = { key: b64('/p/a'), create_revision: '2', mod_revision: '9', version: '2', value: b64('v'), lease: '7' }
etcd(8, 'place-sqlite', 'sqlite:/var/lib/warren/store.db')
etcd(8, 'place-etcd', 'etcd://h1:2379,[fd00::1]:9/my/p')
etcd(8, 'place-etcds', 'etcds://h1/p?ca=/c&cert=/d&key=/k&login=/l')
etcd(1, 'read', { header, kvs: [kv, { key: b64('/q/a') }, { key: '%%' }], more: true, count: '3' })
etcd(1, 'read-empty', { header })
etcd(2, 'commit', { header, succeeded: true, responses: [] })
etcd(2, 'conflict', { header })
etcd(3, 'grant', { header, ID: '7', TTL: '60' })
etcd(4, 'keep', { result: { header, ID: '7', TTL: '60' } })
etcd(4, 'keep-gone', { result: { header, ID: '7' } })
etcd(5, 'revoke', { header })
etcd(6, 'news', { result: { header, events: [{ kv }, { type: 'DELETE', kv: { key: b64('/p/b'), mod_revision: '9' } }], fragment: true } })
etcd(6, 'news-created', { result: { header, created: true } })
etcd(6, 'news-progress', { result: { header } })
etcd(6, 'news-compacted', { result: { header, canceled: true, compact_revision: '8' } })
etcd(6, 'news-error', { error: { grpc_code: 16, http_code: 401, message: 'etcdserver: invalid auth token' } })
const refusals = { 'too-large': [3, 'request is too large'], 'no-login': [3, 'user name is empty'], 'no-lease': [5, 'requested lease not found'],
  denied: [7, 'permission denied'], full: [8, 'mvcc: database space exceeded'], 'no-leader': [14, 'no leader'] }
for (const [name, [code, words]] of Object.entries(refusals)) etcd(7, `error-${name}`, { error: `etcdserver: ${words}`, code })

// rollout: as it is stored (rollout_fuzz.c)
const rollout = { format: 1, from: 7, to: 8, parallel: 1, canaries: 1, failuresMax: 1, readyMs: 1000, settleMs: 500, promoteMs: 0, phase: 0, failures: 0,
  promoted: false, promoteAt: 0, slots: [[3, 1, 0, false, 0], [1, 2, 0, false, 1500], [0, 0, 0, true, 0]] }
save('rollout', 'forward', JSON.stringify(rollout))
save('rollout', 'back', JSON.stringify({ ...rollout, phase: 2, slots: [[4, 3, 1, false, 900], [2, 1, 0, false, 1600]] }))
save('rollout', 'canary', JSON.stringify({ ...rollout, phase: 1, slots: [[3, 1, 0, false, 0], [0, 0, 0, false, 0]] }))

// deploy: pairs of the store (deploy_fuzz.c), by the number of the key
const deployStored = (...pairs) => join(...pairs.map(([key, value]) => join([key], be(2, value.length), value)))
const deployHost = join(field(1, Buffer.alloc(16)), field(2, join(field(1, 'disk'), field(2, 'fast'))), field(3, 4000), field(4, 1 << 30), field(5, 900000))
const deployWanted = (deployment, deployRelease, ...more) => join(field(1, deployment), field(2, deployRelease), field(5, 'ann'), ...more)
const deployRelease = (number) => join(field(1, number), field(2, Buffer.alloc(32, number)), field(5, 's'))
const deploySpec = (count, ...more) => join(field(1, join(field(1, 's'), field(2, './main.js'))), field(3, count), ...more)
const deploySlot = (number, name) => join(field(1, number), field(2, name), field(4, 900000))
const deployState = (deployment, phase, to) => join(field(1, deployment), field(2, phase), field(4, to), field(5, 900000))
const deployPlaced = (number) => join(field(1, deploySlot(0, 'a')), field(1, deploySlot(1, 'b')), field(2, 'p'), field(3, number))
const deployOrder = (number) => join(field(1, 'p'), field(2, 5), field(3, join(field(1, number), field(2, 5))), field(4, varint(number)), field(5, 10000))
const deployReported = (number, at = 2) => join(field(1, 5), field(2, join(field(1, number), field(2, 5), field(3, at), field(5, at === 3 ? 'no' : ''))), field(3, field(1, number)))
const deployWorld = [[0, deployHost], [1, deployHost], [5, deployRelease(1)], [6, deploySpec(2, field(5, 1), field(13, join(field(1, 1), field(3, 1))))]]
save('deploy', 'first', deployStored(...deployWorld, [3, deployWanted(1, 1)]))
const deployRuns = [...deployWorld, [4, deployState(1, 4, 1)], [7, deployPlaced(1)], [9, deployOrder(1)], [13, deployOrder(1)], [10, deployReported(1)], [14, deployReported(1)]]
save('deploy', 'runs', deployStored(...deployRuns, [3, deployWanted(1, 1)]))
save('deploy', 'drained', deployStored(...deployRuns, [3, deployWanted(1, 1)], [2, '']))
save('deploy', 'scaled', deployStored(...deployRuns, [3, deployWanted(2, 1, field(4, join(field(1, 's'), field(2, 5))))]))
save('deploy', 'gone', deployStored(...deployRuns, [3, deployWanted(2, 0)]))
save('deploy', 'failed', deployStored(...deployRuns, [3, deployWanted(1, 1)], [10, deployReported(1, 3)]))
const deployNext = [[11, deployRelease(2)], [12, deploySpec(3, field(10, 2), field(11, 5000))]]
save('deploy', 'next', deployStored(...deployRuns, ...deployNext, [3, deployWanted(2, 2)]))
save('deploy', 'rolling', deployStored(...deployRuns, ...deployNext, [3, deployWanted(2, 2)], [4, deployState(2, 1, 2)], [8, JSON.stringify({ ...rollout, from: 1, to: 2 })],
  [7, join(deployPlaced(2), field(5, 1), field(6, 1))]))
save('deploy', 'aborted', deployStored(...deployRuns, ...deployNext, [3, deployWanted(2, 2, field(9, 1))], [4, deployState(2, 1, 2)], [8, JSON.stringify({ ...rollout, from: 1, to: 2 })],
  [7, join(deployPlaced(2), field(5, 1), field(6, 1))]))
save('deploy', 'unreadable', deployStored(...deployRuns, [3, deployWanted(1, 1)], [7, '?']))
save('deploy', 'delete', deployStored(...deployRuns, [3, deployWanted(1, 1)]), 'de')

// overlay: commands (overlay_fuzz.c): 0 message, 1 delta, 2 page, 3 state, 4 relink, 5 write, 6 time
const told = (kind, ...parts) => {
  const bytes = join(...parts)
  return join([kind], be(2, bytes.length), bytes)
}
const opNode = (id) => field(1, field(1, join(fixed64(1, id), field(2, 'app.0'), field(3, 'app'), field(4, 1), field(5, 99))))
const opPut = (id, entryId, name) => field(1, field(2, join(fixed64(1, id), field(2, entryId), field(4, name))))
const opRemoved = (id, entryId) => field(1, field(3, join(fixed64(1, id), field(2, entryId))))
const opEnd = (id) => field(1, field(4, join(fixed64(1, id), field(2, 'crash'), field(3, 6))))
const otherId = Buffer.concat([Buffer.from([2]), Buffer.alloc(15)])
const version = (number) => join(field(1, otherId), fixed64(2, 100), fixed64(3, number))
const life = [opNode(7), opPut(7, 1, 'prices'), opPut(7, 2, 'stock')]
save('overlay', 'delta', told(1, ...life))
save('overlay', 'delta-of-a-life', told(1, ...life, opRemoved(7, 1), opEnd(7)))
save('overlay', 'delta-that-does-not-fit', told(1, ...life, opPut(8, 1, 'nobody')))
save('overlay', 'delta-raises-the-dead', told(1, ...life, opEnd(7), opNode(7)))
save('overlay', 'page', told(2, opEnd(5), ...life))
save('overlay', 'page-after-delta', told(1, ...life), told(2, opEnd(7), opNode(9), opPut(9, 1, 'prices')), told(2, opNode(9), opPut(9, 1, 'other')))
save('overlay', 'states', told(1, ...life), ...[3, 1, 4, 1, 5].map((state) => told(3, [state])), told(4), told(6, [20]))
save('overlay', 'summary', told(0, field(3, field(1, Buffer.alloc(128, 1)))))
save('overlay', 'have', told(0, field(4, field(1, version(9)))), told(6, [60]))
save('overlay', 'fetch', told(1, ...life), told(0, field(5, field(1, version(0)))))
save('overlay', 'own', told(5, [9]), told(6, [1]), told(4), told(6, [200]))
save('overlay', 'unknown-kind', told(0, field(12, 'later')))

// Membership: hosts and generation are those of test/sim/cluster_world.c. 0: signatures are checked, 4: all are believed.
const [self, member, other] = ['d9c7b7ce92aef1449ce03a7333ba94d6', '70b8c7fc15c337679d11f57b0537c8f0', 'b043747cb49161ce2d1a3dce9de37e5c']
  .map((id) => Buffer.from(id, 'hex'))
const generation = 1000000001000n
const about = (kind, host, incarnation = 0) => join([kind], host, be(8, generation), be(4, incarnation))
const signature = Buffer.alloc(64, 9)
const addr4 = join([4], be(2, 7400), [10, 0, 0, 2])
const addr6 = join([6], be(2, 7400), Buffer.alloc(16, 1))
const alive = (host, incarnation, zone = '', addrs = [addr4]) =>
  join(about(1, host, incarnation), Buffer.alloc(32, 3), Buffer.alloc(16, 4), be(2, 1), be(2, 1), be(8, 0), be(8, 5), be(4, 100), be(2, 3),
    [zone.length], zone, [addrs.length], ...addrs, signature)
const left = (host) => join(about(2, host), signature)
const suspect = (host, accuser, incarnation = 0) => join(about(3, host, incarnation), accuser, signature)
const dead = (host, ...accusers) => join(about(4, host), [accusers.length], ...accusers.map((accuser) => join(accuser, signature)))
const records = {
  alive: alive(other, 1), 'alive-own': alive(self, 1), 'alive-many': alive(member, 2, 'rack-7', [addr4, addr6, addr4, addr6]),
  'alive-zone': alive(other, 1, '\x1b[2J'), left: left(other), 'left-own': left(self), suspect: suspect(other, member),
  'suspect-own': suspect(self, member), 'suspect-later': suspect(other, member, 0x7fffffff), dead: dead(other, member),
  'dead-twice': dead(other, member, member), 'dead-three': dead(other, member, self, Buffer.alloc(16, 8)),
}
for (const [name, bytes] of Object.entries(records)) save('record', name, bytes)

const item = (type, ...parts) => join([type], be(2, join(...parts).length), ...parts)
const status = (sequence, incarnation = 0) => join(be(4, sequence), be(8, generation), be(4, incarnation), be(8, 5), be(4, 100), be(2, 3))
const listed = (host, incarnation, rank) => join(host.subarray(0, 8), be(8, generation), be(4, incarnation), [rank], be(4, 77))
const inner = join([1, 1], be(2, 0), member.subarray(0, 8), other.subarray(0, 8), be(8, 7), Buffer.alloc(16 + 40, 5))
const items = {
  ping: item(1, status(1)), 'ping-newer': item(1, status(1, 9)), 'ping-relayed': item(1, status(2), other), pong: item(2, status(1)),
  relay: item(3, be(4, 5), other, inner), 'relay-back': item(3, be(4, 0), other, inner), relayed: item(4, be(4, 2)),
  host: item(6, be(2, alive(other, 3).length), alive(other, 3), be(2, 3), 'abc', be(2, 3), 'def'),
  want: item(7, self.subarray(0, 8), other.subarray(0, 8), be(8, 1)), digest: item(8, be(8, 1)), 'digest-many': item(8, ...Array(128).fill(be(8, 1))),
  list: item(9, be(8, 0), be(8, (1n << 64n) - 1n), listed(other, 4, 0), listed(member, 0, 1), listed(self, 0, 2)),
  'list-empty': item(9, be(8, 0), be(8, (1n << 64n) - 1n)), unknown: item(99, 'later'), cut: [1, 0, 200, 1],
}
for (const [name, bytes] of Object.entries(records)) items[`record-${name}`] = item(5, bytes)
const chunk = (...parts) => join(be(2, join(...parts).length), ...parts)
for (const [name, bytes] of Object.entries(items)) save('swim', name, [4], chunk(bytes))
save('swim', 'life', [4], ...Object.values(items).map((bytes) => chunk(bytes)))
save('swim', 'life-checked', [0], ...Object.values(items).map((bytes) => chunk(bytes)))
save('swim', 'death', [4], chunk(items['record-suspect']), ...Array(20).fill(chunk(items.ping)), chunk(items['record-dead']), chunk(items.list))
save('swim', 'stranger', [3], chunk(inner), chunk(Buffer.alloc(1300, 1)))
// A page of a cluster of its own: what is in it is read, and not believed.
const introHost = (...more) => field(2, join(field(1, alive(other, 5)), field(2, 0), field(3, Buffer.alloc(100, 6)), ...more))
save('swim', 'intro', [2], field(1, Buffer.alloc(200, 7)), introHost(), introHost(field(4, left(other))), field(3, 1))
save('swim', 'intro-believed', [6], field(1, Buffer.alloc(200, 7)), introHost(), introHost(field(4, dead(member, other))), field(3, 1))
save('swim', 'intro-no-issuer', [2], field(2, join(field(1, alive(other, 5)), field(2, 9))), field(3, 1))

// ---- two ends and a wire between them: commands; 4 and 5 say a message, 8 to 15 do something to the wire
const bytes = (...list) => Buffer.from(list)
save('wire', 'records', bytes(0, 2, 3, 2, 3, 4, 64, 5, 16, 2, 3, 2, 3))
save('wire', 'handshake', bytes(1, 3, 2, 3, 2, 4, 64, 5, 16, 2, 3))
for (const [name, command] of [['changed', 9], ['dropped', 11], ['repeated', 13], ['replaced', 15]]) {
  save('wire', `handshake-${name}`, bytes(1, 3, command, 0, 9, 17, 3))
  save('wire', `record-${name}`, bytes(0, 2, 3, 4, 255, command, 0, 32, 5, 3, 2))
}

// ---- what nodes say: who (and 2: then the loop turns), field of ToAgent, length, body
const said = (who, kind, body) => join([who, kind], be(2, body.length), body)
const joined = join(said(2, 1, bytes()), said(3, 1, bytes()))
save('members', 'announce', joined, said(2, 2, field(1, entry)), said(3, 2, field(1, entry)), said(2, 3, field(1, 1)), said(3, 6, bytes()))
save('members', 'connect', joined, said(2, 4, join(fixed64(1, 2), field(2, 1))), said(3, 4, join(fixed64(1, 1), field(2, 1))),
  said(3, 7, join(fixed64(1, 1), field(2, 'no'))))
save('members', 'listen', joined, said(2, 5, join(field(1, 1), field(3, 80))), said(2, 5, join(field(1, 2), field(2, '127.0.0.1'), field(3, 8080))),
  said(3, 5, field(1, 3)))
const leaseAsk = join(field(1, 1), field(2, 'job'), field(3, 10), field(4, 1))
const leaseTicket = join(field(1, 'leases/job 00112233445566ff'), fixed64(2, 7), fixed64(3, 9), field(4, 10), fixed64(5, 1))
save('members', 'lease', said(2, 250, leaseAsk), said(3, 250, leaseAsk), said(2, 251, join(field(1, 1), fixed64(2, 5))), said(2, 252, field(1, 1)),
  said(3, 250, join(field(1, 2), field(2, 'job'), field(3, 10), field(6, leaseTicket))), said(3, 252, field(1, 1)))
save('members', 'junk', said(2, 0, Buffer.from('junk')), said(3, 0, field(1, '')), said(2, 8, field(1, 'abc')))

// ---- files of an agent's cluster: which, and 64: as it is, 128: changes to the one that is there
const files = ['host.key', 'issuer.key', 'config.json', 'generation', 'tickets', 'peers']
files.forEach((name, i) => {
  save('vault', `changed-${name}`, bytes(128 | i, 0, 5, 65, 0, 48, 0))
  save('vault', `raw-${name}`, bytes(64 | i), `warren ${name} 1\n`)
})
save('vault', 'config', bytes(2), '{"listen":"0.0.0.0:7400","advertise":"h:1","discover":["seeds:a:1","dns:b:2"]}')
save('vault', 'config-wrong', bytes(2), '{"listen":"h:7400","listen":1}')
save('vault', 'generation', bytes(3), fixed64(1, 7))
save('vault', 'peers', bytes(5), field(1, '10.0.0.1:7400'), field(1, 'h:70'))
save('vault', 'ticket', bytes(4), field(1, join(fixed64(1, 1), field(2, Buffer.alloc(32)), field(3, Buffer.alloc(32)), field(5, '*'), field(6, 5))))

// ---- a log: how many lines (128: of app.0 alone), the file
const line = (node, text) => `2026-07-01T10:00:00.123Z ${node} ${text}\n`
save('logs', 'whole', bytes(10), line('app.0', 'out: hello'), line('app.1', 'err: oh'), line('app.0', 'out: bye'))
save('logs', 'of-one', bytes(138), line('app.0', 'out: hello'), line('app.1', 'err: oh'), line('app.0', 'out+ a piece'))
save('logs', 'torn', bytes(10), line('app.0', 'out: hello').slice(0, 30), line('app.0', 'out: bye'), line('app.0', 'o'), line('', ''))
save('logs', 'not-ours', bytes(3), '\n\n2026-99-99T10:00:00.123Z app.0 out: x\n', 'y'.repeat(300))
save('logs', 'blanks-in-time', bytes(3), '2026-   07-01T10:00:00.123Z app.0 out: x\n')

// ---- requests: as what nodes say, but fields of a Request
save('requests', 'list', said(2, 2, bytes()), said(3, 6, field(1, 1)), said(2, 9, bytes()), said(3, 7, bytes()), said(2, 8, bytes()))
save('requests', 'run', said(2, 1, run), said(3, 2, bytes()), said(3, 4, join(field(1, 'app'), field(2, 1), field(3, 10))), said(2, 3, field(1, 'all')), said(2, 5, bytes()))
save('requests', 'run-wrong', said(2, 1, join(field(1, '-x'), field(2, 'y'))), said(2, 1, join(field(2, '/a.js'), field(6, 1e6))), said(2, 3, field(1, 'app.7')))
save('requests', 'attach', said(2, 0, join(field(1, 1), field(2, 1), field(3, 7), field(4, 'me'))), said(2, 0, field(1, bytes())), said(3, 2, bytes()))
const offered = join(field(1, Buffer.alloc(32, 7)), field(2, 100), field(3, Buffer.alloc(32, 8)))
const piece = (len, text) => join(field(1, Buffer.alloc(32, 8)), field(2, len), field(3, text))
save('requests', 'release', said(2, 40, offered), said(2, 41, piece(8, 'half')), said(2, 41, piece(8, 'half')), said(2, 42, join(field(1, offered), field(2, 'shop'))), said(3, 43, bytes()), said(3, 44, field(1, 5)))
save('requests', 'release-wrong', said(2, 41, piece(8, 'half')), said(2, 41, piece(9, 'half')), said(3, 41, piece(2, 'too much')), said(3, 40, field(1, 'x')), said(3, 42, field(2, 'x')))
save('requests', 'junk', said(2, 0, Buffer.from('junk')), said(3, 0, join(field(2, 9))), said(3, 2, Buffer.from('xx')))
const spec = join(field(1, join(field(1, 'api'), field(2, './api.js'))), field(3, 2))
save('requests', 'deploy', said(2, 50, field(2, 1), field(3, 1)), said(2, 50, field(1, 'state/')), said(2, 51, field(1, 'api'), field(2, spec)),
  said(3, 52, field(1, 'shop'), field(2, '0123456789abcdef'), field(4, 'ada')), said(2, 53, field(1, 'shop'), field(2, 3), field(4, 'api'), field(5, 2)),
  said(3, 54, field(1, 'ada')))
save('requests', 'deploy-wrong', said(2, 51, field(1, 'web'), field(2, spec)), said(2, 51, field(1, 'api'), field(2, 'x')), said(2, 52, field(1, 'sh op')),
  said(3, 53, field(1, 'shop'), field(2, 9)), said(3, 54, bytes()))

// ---- a release: 0 its list, 1 a chunk of it (hash, frame of zstd), 2 who signed it, 3 what somebody signed
const hashes = { text: 'b2cf2360422d32610ed5e94cf42b694ce2454ccf4a90b91927d508d4ddf8210a', x: 'd161d71145abeec5ef15abcf0459cec60a27321e2f0ac0ef7ace5254f5944476' } // BLAKE2b-256
for (const name in hashes) hashes[name] = Buffer.from(hashes[name], 'hex')
const fileEntry = (name, ...more) => field(4, join(field(1, name), field(2, 1), field(4, 4), field(5, hashes.text), ...more))
const linkEntry = (name, target) => field(4, join(field(1, name), field(2, 2), field(7, target)))
const dirEntry = (name) => field(4, field(1, name))
const list = (...entries) => join(field(1, 1), ...entries)
save('bundle', 'list', [0], list(fileEntry('a.js'), dirEntry('lib'), fileEntry('lib/b.js'), linkEntry('lib/c', '../a.js')))
save('bundle', 'list-addon', [0], field(1, 1), field(2, 'linux-x64-node108'), field(3, 1), fileEntry('a.node'))
save('bundle', 'list-large', [0], list(field(4, join(field(1, 'l'), field(2, 1), field(3, 1), field(4, (1 << 20) + 1), field(5, hashes.text), field(6, join(hashes.text, hashes.x))))))
save('bundle', 'list-up', [0], list(fileEntry('../a')))
save('bundle', 'list-link-up', [0], list(linkEntry('l', 'x/../..')))
save('bundle', 'list-through-link', [0], list(dirEntry('d'), linkEntry('l', 'd'), fileEntry('l/x')))
save('bundle', 'list-twice', [0], list(fileEntry('a'), fileEntry('a')))
save('bundle', 'list-nothings', [0], list(...Array(2000).fill(field(4, ''))))
const zstd = (len, block, type, size) => join([0x28, 0xb5, 0x2f, 0xfd, 0x20, len], be(3, (size << 3) | (type << 1) | 1).reverse(), block)
save('bundle', 'chunk', [1], hashes.text, zstd(4, 'text', 0, 4))
save('bundle', 'chunk-run', [1], hashes.x, zstd(1, 'x', 1, 1))
save('bundle', 'chunk-bomb', [1], hashes.x, zstd(1, 'x', 1, 100000))
save('bundle', 'chunk-cut', [1], hashes.text, zstd(4, 'te', 0, 4))
const release = (...more) => join(field(1, 1), field(2, hashes.x), field(3, 4), field(4, hashes.text), field(5, 'shop'), field(6, 1e12), field(7, 1), field(8, 4), ...more)
save('bundle', 'record', [2], field(1, release()), field(2, Buffer.alloc(64)), field(3, hashes.x), field(4, 'cert'), field(4, 'cert'))
save('bundle', 'signed', [3], release())
save('bundle', 'signed-unknown', [3], release(field(9, 1)))
save('bundle', 'signed-chunks', [3], field(1, 1), field(2, hashes.x), field(3, 1 << 25), field(4, Buffer.alloc(32 * 32)), field(5, 'shop'))

// ---- chunks between agents: u8 kind, u16 len, bytes: 0 a message, 1 what of the question is there, 2 a piece, 3 what the store
// of chunks answers, 4 no, 5 the link, 6 time
const tells = (kind, ...parts) => {
  const body = join(...parts)
  return join([kind], be(2, body.length), body)
}
const hash = be(32, 5)
const fetchAsk = (number, hashes) => field(1, join(field(1, number), field(2, hashes)))
const pieceOf = (offset, total, body) => tells(2, be(4, offset), be(4, total), body)
save('fetch', 'given', tells(1, [0xff]), pieceOf(0, 6, 'abc'), pieceOf(3, 6, 'def'), tells(3), tells(6, [255]), pieceOf(0, 3, 'abc'), tells(3, [255]))
save('fetch', 'gives', tells(0, fetchAsk(1, join(hash, hash))), tells(0, field(3, join(field(1, 2), field(2, hash)))), tells(3), tells(6), tells(6, [1]), tells(0, field(6, field(1, 2))))
save('fetch', 'refused', tells(1, [0xff]), tells(4), tells(4, 'x'), tells(6, [255]), tells(1, [0]), tells(6, [255]))
save('fetch', 'lies', tells(1, [0xff]), pieceOf(1, 6, 'abc'), tells(6, [255]), tells(1, [0xff]), pieceOf(0, 6, 'abc'), pieceOf(3, 7, 'abc'))
save('fetch', 'links', tells(1, [0xff]), tells(5), tells(6, [255]), tells(6, [255]), tells(5), tells(6, [255]), tells(1, [0xff]))
save('fetch', 'over', tells(0, fetchAsk(1, 'short')), tells(0, fetchAsk(0, hash)), tells(0, field(4, join(field(1, 1), field(2, 5), field(3, 2 << 20), field(4, 'x')))), tells(0, field(9, 'later')), tells(0, 'junk'))
save('fetch', 'flood', ...Array.from({ length: 180 }, (_, i) => tells(0, field(3, join(field(1, i + 1), field(2, hash))))), tells(6), tells(3), tells(6, [1]))

// ---- the store of another host: 0 a piece to who uses it, 1 to who has it, 2 and 3 a whole message likewise (u8 field - 1, body), 4 they
// greet, 5 the link ends, 6 something is asked, 7 time
const pairBody = join(field(1, 'a'), field(2, 'v'), field(3, 1), field(4, 2))
const requestOf = (number, kind, body) => tells(3, [2], field(1, number), field(kind, body))
save('store_link', 'answered', tells(6), tells(2, [3], field(1, 1), field(5, 7), field(6, pairBody)), tells(2, [3], field(1, 2), field(5, 7), field(6, pairBody), field(7, 1)), tells(2, [3], field(1, 3), field(8, 5), field(9, 10)))
save('store_link', 'failed', tells(6), tells(2, [3], field(1, 1), field(2, 1), field(3, 'away'), field(4, 1)), tells(2, [3], field(1, 2), field(2, 99), field(3, 'new')))
save('store_link', 'news', tells(6), tells(2, [5], field(1, 1), field(4, join(field(1, 'a'), field(3, 'v'), field(4, 3))), field(5, 3), field(6, 0)), tells(2, [5], field(1, 1), field(5, 4), field(6, 1)), tells(2, [5], field(1, 1), field(2, 8), field(3, 'gone')))
save('store_link', 'requests', requestOf(1, 2, join(field(1, 1), field(2, 'a'))), requestOf(2, 3, join(field(1, join(field(1, 'a'), field(3, 1))), field(2, join(field(1, 'a'), field(3, 'v'))))), requestOf(3, 4, field(1, 10)), requestOf(4, 5, field(1, 1)), requestOf(5, 6, field(1, 1)), requestOf(6, 2, field(2, 'secrets/a')), requestOf(7, 9, ''))
save('store_link', 'watches', tells(3, [4], field(1, 1), field(2, 'a'), field(3, 5), field(4, 1)), tells(3, [4], field(1, 2), field(2, 'se')), tells(3, [6], field(1, 1)), tells(3, [6], field(1, 9)))
save('store_link', 'refused', tells(5), tells(4), tells(2, [1], field(1, 'no')), tells(6), tells(7), tells(5), tells(6), tells(4), tells(7))
save('store_link', 'pieces', tells(1, [1], 'abc'), tells(1, [0], 'junk'), tells(0, [3], 'a'), tells(0, [7], 'a'), tells(0), tells(6), tells(5), tells(4))
save('store_link', 'over', requestOf(0, 2, field(2, 'a')), requestOf(1, 2, field(2, 'k'.repeat(600))), tells(3, [2], field(1, 1), field(3, join(...Array(200).fill(field(2, field(1, 'a')))))), tells(2, [3], field(1, 1), ...Array(200).fill(field(6, pairBody))))
save('store_link', 'many', ...Array.from({ length: 40 }, (_, i) => requestOf(i + 1, 2, field(2, 'a'))), tells(5), tells(7))

// ---- secrets of a cluster: 0 as the store says it, 1 a secret that a host signed, 2 a recipient, 3 a host that is revoked
const envelope = (length = 80) => field(6, join(field(1, Buffer.alloc(16, 1)), field(2, Buffer.alloc(length, 2))))
const sealedSecret = (...more) => join(field(1, 'WORD'), fixed64(2, 7), field(4, Buffer.alloc(24, 3)), field(5, Buffer.alloc(20, 4)), field(7, 'ada'), fixed64(8, 9), ...more)
save('sealed', 'secret', [1], sealedSecret(envelope(), envelope()))
save('sealed', 'secret-removed', [1], field(1, 'WORD'), fixed64(2, 8), field(3, 1), field(7, 'ada'))
save('sealed', 'secret-many', [1], sealedSecret(...Array(300).fill(envelope())))
save('sealed', 'secret-short', [1], sealedSecret(envelope(79)))
save('sealed', 'secret-unknown', [1], sealedSecret(field(9, 'later')))
save('sealed', 'secret-name', [1], sealedSecret(field(1, '../x')))
save('sealed', 'recipient', [2], field(1, Buffer.alloc(32, 9)))
save('sealed', 'recipient-nobody', [2], field(1, Buffer.alloc(32)))
save('sealed', 'revoked', [3], field(1, Buffer.alloc(16, 5)), field(2, 'bob'))
save('sealed', 'revoked-name', [3], field(1, Buffer.alloc(16, 5)), field(2, 'b b'))
save('sealed', 'unsigned', [0], field(1, sealedSecret(envelope())), field(2, 'cert'), field(2, 'cert'), field(3, Buffer.alloc(64)))
save('sealed', 'junk', [0], 'junk')
