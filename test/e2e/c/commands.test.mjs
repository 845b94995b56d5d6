// warren call, pub, sub, services and bench: what people type, see and get as exit code.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { text } from 'node:stream/consumers'
import { Cluster } from '../messages/cluster.mjs'

const WARREN = join(process.env.WARREN_BIN, 'warren')

describe('commands that send messages', { timeout: 60_000 }, () => {
  let cluster, ada
  const start = (args, { dir = cluster.dir } = {}) => spawn(WARREN, args, { env: { ...process.env, WARREN_DIR: dir }, stdio: ['pipe', 'pipe', 'pipe'] })
  const finish = async child => {
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    return { out, err, code }
  }
  const warren = (args, { input, dir } = {}) => {
    const child = start(args, { dir })
    child.stdin.on('error', () => {}) // it may have ended without reading all
    child.stdin.end(input)
    return finish(child)
  }
  // `sub PATTERN --json`, from the moment on that it hears: what it prints, parsed, without what was published to find that out.
  const hearing = async pattern => {
    const child = start(['sub', pattern, '--json'])
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const told = async () => {
      for (;;) {
        const message = JSON.parse((await lines.next()).value)
        if (message.data?.probe === undefined) return message
      }
    }
    await untilHeard(child, pattern.replace('>', 'probe'))
    return { child, told }
  }
  const untilHeard = async (child, subject) => {
    const first = once(child.stdout, 'readable')
    await ada.run((mesh, keep, subject) => { keep.probing = setInterval(() => mesh.publish(subject, { probe: 1 }), 5) }, subject)
    await first
    await ada.run((mesh, keep) => clearInterval(keep.probing))
  }
  const call = (...args) => warren(['call', 'greeter', ...args])

  before(async () => {
    cluster = await Cluster.start()
    ada = await cluster.member('ada')
    await ada.run(async (mesh, keep) => {
      await mesh.serve('greeter', {
        hello: ({ name }) => `Hello ${name}`,
        echo: (input, { headers }) => (Object.keys(headers).length > 0 ? { input, headers } : input),
        what: input => ({ is: input === null ? 'null' : typeof input === 'object' ? input.constructor.name : typeof input, text: String(input) }),
        bad() { throw Object.assign(new RangeError('no \x1b[2J\u009bthanks'), { code: 'ENO' }) },
        weird() { throw 'a text' },
        nothing() {},
        slow: () => { keep.slow = 1; return new Promise(() => {}) },
        deep: n => { let value = 1; for (let i = 0; i < n; i++) value = [value]; return value },
        long() { throw new Error('é'.repeat(1000)) },
        async *count(n) { for (let i = 0; i < n; i++) yield { i } },
        large: () => 'x'.repeat(200_000),
      }, { tags: { zone: 'a' } })
      const subscription = mesh.subscribe('ask.*')
      await subscription.ready
      ;(async () => { for await (const m of subscription) m.respond({ got: m.data }) })()
    })
    assert.equal((await warren(['call', 'greeter', 'nothing', '--wait', '20s'])).code, 0)
  })
  after(() => cluster?.stop())

  test('output that was closed before it began is told as lost', async () => {
    for (const command of ['services', 'call greeter hello {}', 'sub "told.*" -n 1']) {
      const child = spawn('sh', ['-c', `exec "$0" ${command} >&-`, WARREN], { env: { ...process.env, WARREN_DIR: cluster.dir }, stdio: ['ignore', 'ignore', 'pipe'] })
      const isOver = { over: false }
      const ended = Promise.all([text(child.stderr), once(child, 'exit')]).finally(() => { isOver.over = true })
      while (command.startsWith('sub') && !isOver.over) await warren(['pub', 'told.all', '1'])
      const [err, [code]] = await ended
      assert.match(err, /cannot write .*Bad file descriptor/, command)
      assert.equal(code, 1, command)
    }
  })

  test('call prints the answer as JSON, and a stream an item a line', async () => {
    assert.deepEqual(await call('hello', '{"name": "Ada"}'), { out: '"Hello Ada"\n', err: '', code: 0 })
    assert.deepEqual(await warren(['call', 'greeter', 'hello', '-'], { input: '{"name":\n"Bob"}\n' }), { out: '"Hello Bob"\n', err: '', code: 0 })
    assert.deepEqual(await call('count', '3'), { out: '{"i":0}\n{"i":1}\n{"i":2}\n', err: '', code: 0 })
    assert.deepEqual(await call('nothing'), { out: '', err: '', code: 0 })
    assert.equal((await call('echo', '[0.1, 1e21, -2.5]')).out, '[0.1,1e21,-2.5]\n')
    assert.equal((await call('echo', '0.30000000000000004')).out, '0.30000000000000004\n')
    assert.equal((await call('nothing', '--json')).out, '{"$undefined":true}\n')
    assert.equal((await call('large')).out.length, 200_003)
    assert.deepEqual(await warren(['call', '--subject', 'ask.me', '[1]']), { out: '{"got":[1]}\n', err: '', code: 0 })
  })

  test('Ctrl-C while a call is open, and a reader that goes while a stream comes, end it in good order', async () => {
    for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
      const child = start(['call', 'greeter', 'slow', '--timeout', '0'])
      while (!(await ada.run((mesh, keep) => keep.slow))) await new Promise(setImmediate)
      await ada.run((mesh, keep) => { keep.slow = 0 })
      child.kill(signal)
      assert.deepEqual(await once(child, 'exit'), [code, null])
    }
    const stream = start(['call', 'greeter', 'count', '1e9'])
    await once(createInterface({ input: stream.stdout }), 'line')
    stream.stdout.destroy()
    assert.deepEqual(await once(stream, 'exit'), [141, null])
  })

  test('a value that is deeper than it can be shown, and texts that are cut or no UTF-8, are told and crash nothing', async () => {
    const deep = await call('deep', '40')
    assert.deepEqual(deep, { out: '', err: 'warren: the value is nested deeper than this command can show\n', code: 0 })
    const long = await call('long', '--json')
    assert.equal(long.code, 1)
    assert.match(JSON.parse(long.out).error.message, /^é+$/)
    assert.equal((await call('echo', '{"$date":"2026-02-31T00:00:00Z"}')).code, 2)
    assert.match((await call('echo', '1', '--tag', 'zone=z')).err, /nobody with these tags serves greeter/)
  })

  test('what JSON has not is typed and shown as an object with $', async () => {
    const echo = async value => (await call('echo', value)).out.trim()
    for (const value of [
      'null', '-1', '1.5', '9007199254740991', '"größe"', '[]', '{"a":{"b":[true]}}', '{"$date":"2026-01-02T03:04:05.678Z"}', '{"$bytes":"aGk="}',
      '{"$bigint":"-5"}', '{"$map":[[{"k":1},[2]]]}', '{"$set":[1,"a"]}', '{"$url":"http://a.b/c"}', '{"$number":"NaN"}', '{"$number":"-Infinity"}',
      '{"$object":{"$date":1}}', '{"$a":1,"$b":2}', '[{"$undefined":true}]',
    ]) assert.equal(await echo(value), value)
    assert.deepEqual(JSON.parse((await call('what', '{"$date":"2026-01-02T03:04:05.678Z"}')).out).is, 'Date')
    assert.deepEqual(JSON.parse((await call('what', '{"$bigint":"9223372036854775807"}')).out), { is: 'bigint', text: '9223372036854775807' })
    assert.equal(JSON.parse((await call('what')).out).is, 'undefined')
    for (const bad of ['{"$foo":1}', '{"$date":"yesterday"}', '{"$date":"2026-01-01T00:00:00.-12Z"}', '{"$bigint":" 5"}', '{"$bytes":"?"}', '{"$bigint":"99999999999999999999"}']) {
      const { code, err } = await call('echo', bad)
      assert.equal(code, 2)
      assert.match(err, /begins with \$/)
    }
  })

  test('headers, key, tags and one instance choose and tell', async () => {
    assert.equal((await call('echo', '1', '-H', 'a=b', '-H', 'c=')).out, '{"input":1,"headers":{"a":"b","c":""}}\n')
    assert.equal((await call('echo', '1', '--tag', 'zone=a', '--key', 'k', '--to', 'ada')).code, 0)
    assert.equal((await call('echo', '1', '--tag', 'zone=b')).code, 3)
    const id = await ada.run(mesh => mesh.self.id)
    assert.equal((await call('echo', '1', '--to', id)).code, 0)
    const nobody = await call('echo', '1', '--to', 'nobody')
    assert.equal(nobody.code, 3)
    assert.match(nobody.err, /there is no node nobody/)
  })

  test('errors have their code, one sentence, and with --json an object; no byte of theirs moves a cursor', async () => {
    const bad = await call('bad')
    assert.deepEqual(bad, { out: '', err: 'warren: greeter bad: no ?[2J?thanks (ENO)\n', code: 1 })
    const json = await call('bad', '--json')
    assert.doesNotMatch(json.out, /[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f]/)
    assert.deepEqual({ ...JSON.parse(json.out).error, value: 0 }, { code: 'ENO', message: 'no ?[2J?thanks', delivered: 'maybe', value: 0 })
    assert.equal(JSON.parse(json.out).error.value.$error.message, 'no \x1b[2J\u009bthanks')
    assert.equal((await call('weird')).code, 1)
    assert.equal(JSON.parse((await call('weird', '--json')).out).error.value, 'a text')
    assert.deepEqual(await call('slow', '--timeout', '50ms'), { out: '', err: 'warren: greeter slow: no answer in time\n', code: 124 })
    const none = await call('none')
    assert.equal(none.code, 3)
    assert.match(none.err, /no such method/)
  })

  test('a service that is not there: the nearest name, and 3; with --wait 124 when it does not come', async () => {
    assert.deepEqual(await warren(['call', 'greter', 'hello']), { out: '', err: 'warren: nobody serves greter: did you mean greeter?\n', code: 3 })
    assert.match((await warren(['call', 'zzz', 'hello'])).err, /nobody serves zzz \(`warren services` lists/)
    assert.equal((await warren(['call', 'zzz', 'hello', '--wait', '50ms'])).code, 124)
    assert.equal((await warren(['call', '--subject', 'nobody.here'])).code, 3)
    const late = warren(['call', 'late', 'x', '--wait', '60s'])
    await ada.run(async mesh => { await mesh.serve('late', { x: () => 'at last' }) })
    assert.equal((await late).out, '"at last"\n')
  })

  test('bad usage is told with what to do, and 2', async () => {
    for (const [args, sentence] of [
      [['call', 'greeter.hello'], /did you mean `warren call greeter hello`/], [['call'], /a service, its method/], [['call', 'a', 'b', 'c', 'd'], /at most one value/],
      [['call', 'greeter', 'hello', '{bad'], /the value is no JSON: line 1, column/], [['call', 'greeter', 'hello', '1', '-t', '5x'], /--timeout is a time like/],
      [['call', 'greeter', 'hello', '1', '-H', 'x'], /--header is KEY=VALUE/], [['call', '--subject', 'a.*'], /not allowed/], [['call', 'greeter', 'hello', '1'.repeat(400)], /no JSON/],
      [['pub'], /needs a subject/], [['pub', 'a..b', '1'], /not allowed/], [['pub', 'a', '1', '2'], /one too many/], [['sub'], /needs a subject/], [['sub', 'a..b'], /not allowed/],
      [['sub', 'a', '-n', '0'], /--count is a number/], [['services', 'a', 'b'], /one too many/], [['bench', 'greeter'], /needs a method/], [['bench', '-n', '0'], /--outstanding/],
      [['call', '--subject', 'a', '--wait', '1s'], /--wait is for services/], [['callx'], /did you mean call/],
    ]) {
      const { code, err, out } = await warren(args)
      assert.equal(code, 2, `${args}: ${err}`)
      assert.match(err, sentence)
      assert.equal(out, '')
    }
    for (const name of ['call', 'pub', 'sub', 'services', 'bench']) assert.match((await warren([name, '--help'])).out, /Example[^]*warren /)
    const deep = await warren(['call', 'greeter', 'echo', '-'], { input: '['.repeat(70) + ']'.repeat(70) })
    assert.equal(deep.code, 2)
    assert.equal((await warren(['call', 'greeter', 'echo', '-'], { input: `"${'x'.repeat(1 << 20)}"` })).code, 2)
    assert.equal((await warren(['call', 'greeter', 'echo', '-'], { input: `"${'x'.repeat(5 << 20)}"` })).code, 2)
  })

  test('sub prints what pub says', async () => {
    const { child, told } = await hearing('orders.>')
    assert.equal((await warren(['pub', 'orders.a', '{"id":1}', '-H', 'x=y'])).code, 0)
    assert.equal((await warren(['pub', 'orders.b.c', '-'], { input: '2\n\n{"$date":"1970-01-01T00:00:00.000Z"}\n' })).code, 0)
    assert.equal((await warren(['pub', 'orders.d'])).code, 0)
    const heard = [await told(), await told(), await told(), await told()]
    child.kill()
    assert.deepEqual(heard.map(({ subject, data, headers }) => [subject, data, headers]), [
      ['orders.a', { id: 1 }, { x: 'y' }], ['orders.b.c', 2, undefined], ['orders.b.c', { $date: '1970-01-01T00:00:00.000Z' }, undefined], ['orders.d', { $undefined: true }, undefined],
    ])
    assert.match(heard[0].from, /^[0-9a-f]{16}$/)
    assert.match(heard[0].at, /^\d{4}-.*Z$/)
    const bad = await warren(['pub', 'orders.c', '-'], { input: '1\nx\n' })
    assert.equal(bad.code, 2)
    assert.match(bad.err, /line 2 of the standard input is no JSON/)
  })

  test('sub ends after as many as it was told', async () => {
    const child = start(['sub', 'some', '-n', '3'])
    const timer = setInterval(() => ada.run(mesh => void mesh.publish('some', 1)), 5)
    const { out, code } = await finish(child)
    clearInterval(timer)
    assert.deepEqual([out, code], ['some 1\nsome 1\nsome 1\n', 0])
  })

  test('sub is asked nothing: who answers gets every request beside it', async () => {
    const { child } = await hearing('ask.>')
    for (let i = 0; i < 20; i++) assert.deepEqual(await ada.run((mesh, keep, i) => mesh.request('ask.me', i), i), { got: i })
    assert.equal((await warren(['call', '--subject', 'ask.nobody.this'])).code, 3)
    child.kill()
  })

  test('pub takes its lines whenever they come, and Ctrl-C ends it while it waits for one', async () => {
    const { child: sub, told } = await hearing('lines')
    const pub = start(['pub', 'lines', '-'])
    for (const n of [1, 2, 3]) {
      pub.stdin.write(n === 3 ? '\n3' : `${n}\n`)
      if (n < 3) assert.equal((await told()).data, n)
    }
    pub.stdin.end() // a last line without its end
    assert.deepEqual(await once(pub, 'exit'), [0, null])
    assert.equal((await told()).data, 3)
    const waiting = start(['pub', 'lines', '-'])
    waiting.stdin.write('4\n')
    assert.equal((await told()).data, 4)
    waiting.kill('SIGINT')
    assert.deepEqual(await once(waiting, 'exit'), [130, null])
    sub.kill()
  })

  test('pub says how many messages were lost with a reader that ended before it read them', async () => {
    const { child: sub } = await hearing('heavy')
    const line = `"${'x'.repeat(50_000)}"\n`, pub = start(['pub', 'heavy', '-']), over = finish(pub)
    sub.kill('SIGSTOP')
    // A million bytes: two sockets take 200 KiB each, the others wait in it.
    for (let i = 0; i < 20; i++) await new Promise(resolve => pub.stdin.write(line, resolve))
    sub.kill('SIGKILL')
    pub.stdin.end()
    const { err, code } = await over
    assert.match(err, /^warren: messages to cli-\d+ were lost, \d+ of them: it ended, or its link broke/)
    assert.equal(code, 0)
  })

  test('call waits for its value as long as it takes: the time counts from then', async () => {
    const child = start(['call', 'greeter', 'echo', '-', '-t', '300ms']), answer = finish(child)
    await new Promise(resolve => setTimeout(resolve, 600)) // longer than the call may take
    child.stdin.end('7')
    assert.deepEqual(await answer, { out: '7\n', err: '', code: 0 })
  })

  test('sub shows people a line a message, and Ctrl-C ends it with 130', async () => {
    const child = start(['sub', 'plain.*'])
    const line = once(createInterface({ input: child.stdout }), 'line')
    const timer = setInterval(() => ada.run(mesh => void mesh.publish('plain.x', { a: '\x1b[1m' })), 20)
    assert.deepEqual(await line, ['plain.x {"a":"\\u001B[1m"}'])
    clearInterval(timer)
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [130, null])
  })

  test('a reader of sub that stands still costs messages, which are counted, and no memory', async () => {
    const child = start(['sub', 'flood', '--json'])
    const errors = text(child.stderr)
    await untilHeard(child, 'flood') // and reads nothing of it
    await ada.run(async mesh => {
      const data = 'x'.repeat(1000)
      for (let i = 0; i < 20_000; i++) if (!mesh.publish('flood', data)) await new Promise(resolve => mesh.once('drain', resolve))
      await mesh.flush()
    })
    child.kill('SIGINT')
    assert.equal((await once(child, 'exit'))[0], 130)
    child.stdout.destroy()
    assert.match(await errors, /^warren: \d+ messages were dropped: the standard output is slower/)
  })

  test('services lists who serves what, for people and as JSON, and again when it changes', async () => {
    const table = await warren(['services'])
    assert.match(table.out, /^SERVICE +NODE +HOST +PID +ID\n/)
    assert.match(table.out, /\ngreeter +ada +\S+ +\d+ +[0-9a-f]{16}\n/)
    const json = JSON.parse((await warren(['services', 'greeter', '--json'])).out)
    assert.equal(json.services.length, 1)
    assert.equal(json.services[0].instances[0].name, 'ada')
    assert.deepEqual(await warren(['services', 'greter']), { out: '', err: 'warren: nobody serves greter: did you mean greeter?\n', code: 3 })
    const watch = start(['services', 'passing', '--watch', '--json'])
    const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
    assert.deepEqual(JSON.parse((await lines.next()).value), { services: [] })
    await ada.run(async (mesh, keep) => { keep.passing = await mesh.serve('passing', { x: () => 1 }) })
    for (let list = {}; list.services?.[0]?.instances.length !== 1;) list = JSON.parse((await lines.next()).value)
    await ada.run((mesh, keep) => keep.passing.close())
    for (let list = {}; list.services?.length !== 0;) list = JSON.parse((await lines.next()).value)
    watch.kill('SIGTERM')
    assert.equal((await once(watch, 'exit'))[0], 143)
  })

  test('bench measures a service, and two processes of its own', async () => {
    const theirs = JSON.parse((await warren(['bench', 'greeter', 'hello', '{"name":"A"}', '-d', '100ms', '-n', '8', '--json'])).out)
    assert.ok(theirs.p50us > 0 && theirs.p99us >= theirs.p50us && theirs.callsPerSecond > 0)
    assert.equal(theirs.messagesPerSecond, undefined)
    const own = await warren(['bench', '-d', '100ms', '--size', '1000'])
    assert.match(own.out, /one call after the other +[\d.]+ us p50[^]*64 calls at a time +\d+ calls\/s\nmessages one way +\d+ messages\/s\n$/)
    assert.equal(own.code, 0)
    assert.equal((await warren(['services', '--json'])).out.includes('bench-'), false) // it has ended with it
    assert.equal((await warren(['bench', 'nobody', 'x'])).code, 3)
    assert.equal((await warren(['bench', 'greeter', 'bad', '-d', '100ms'])).code, 1)
  })

  test('without an agent each says so, and 4', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'warren-none-'))
    chmodSync(dir, 0o700)
    for (const args of [['call', 'a', 'b'], ['pub', 'a'], ['sub', 'a'], ['services'], ['bench']]) {
      const { code, err } = await warren(args, { dir })
      assert.equal(code, 4)
      assert.match(err, /no agent is running in .*`warren agent` starts one/)
    }
    rmSync(dir, { recursive: true })
    const other = await Cluster.start()
    const child = start(['sub', 'x'], { dir: other.dir })
    const printed = once(child.stdout, 'readable').then(() => { printed.isOver = true })
    while (!printed.isOver) await warren(['pub', 'x'], { dir: other.dir })
    const ended = finish(child)
    other.agent.kill('SIGKILL')
    const { err, code } = await ended
    assert.deepEqual([err, code], ['warren: the agent ended\n', 4])
    await other.stop()
  })
})
