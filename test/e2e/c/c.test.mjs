// Programs in C (probe.c, with warren.h alone) and in JavaScript as nodes of one mesh.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { Cluster } from '../messages/cluster.mjs'

const PROBE = process.env.PROBE

class Probe {
  #lines = []
  #wake = () => {}
  #isOver = false

  static async start(cluster, mode = 'own') {
    const probe = new Probe()
    probe.process = spawn(PROBE, [mode], { env: { ...process.env, WARREN_DIR: cluster.dir }, stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: probe.process.stdout })
      .on('line', line => { probe.#lines.push(line); probe.#wake() })
      .on('close', () => { probe.#isOver = true; probe.#wake() })
    probe.id = (await probe.next('self')).split(' ')[1]
    return probe
  }

  /** The next line that begins in one of these ways, whatever came before it. */
  async next(...starts) {
    for (;;) {
      const at = this.#lines.findIndex(line => starts.some(start => line.startsWith(start)))
      if (at >= 0) return this.#lines.splice(at, 1)[0]
      if (this.#isOver) throw new Error(`the probe ended without "${starts}"; it said ${JSON.stringify(this.#lines)}`)
      await new Promise(resolve => { this.#wake = resolve })
    }
  }

  do(...words) {
    this.process.stdin.write(`${words.map(word => (word === '' ? '-' : word)).join(' ')}\n`)
    return this.next(words[0] === 'ask' ? 'call' : words[0])
  }

  /** The answer's words: outcome, what of delivery, payload in hex, text. */
  async call(tag, { service, method = '-', subject, payload = 'c0', timeout = 5000, to = '0', key = '-', tags = '-', headers = '-', how = '-' }) {
    const verb = subject ? ['ask', tag, subject] : ['call', tag, service]
    const accepted = await this.do(...verb, method, payload, timeout, to, key, tags, headers, how)
    if (accepted !== 'call OK') return { refused: accepted.split(' ')[1] }
    const [, , code, delivered, hex, ...text] = (await this.next(`answer ${tag} `)).split(' ')
    return { code, delivered, hex, text: text.join(' ') }
  }

  async stop() {
    this.process.stdin.end()
    if (this.process.exitCode === null) await once(this.process, 'exit')
    return this.process.exitCode
  }
}

const SMALL = '83a26964 07a46e616d65 a3616263 a16e cd3039'.replaceAll(' ', '') // {id: 7, name: 'abc', n: 12345}

describe('a program in C', { timeout: 110_000 }, () => {
  let cluster, ada, probe
  before(async () => {
    cluster = await Cluster.start()
    ada = await cluster.member('ada')
    probe = await Probe.start(cluster)
    assert.equal(await probe.do('serve', 'c-things', 'zone=c'), 'serve OK')
    assert.equal(await probe.do('subscribe', 'c.>', '-'), 'subscribe OK')
    await ada.run(async mesh => { await mesh.available('c-things') })
    await ada.run(async (mesh, keep) => {
      keep.service = await mesh.serve('js', {
        echo: input => input,
        quiet: () => new Promise(() => {}),
        wrong() { throw Object.assign(new RangeError('out of range'), { code: 'EFAR' }) },
        async *numbers(n) { for (let i = 0; i < n; i++) yield { i } },
        headers: (input, { headers }) => headers,
      })
      keep.seen = []
      const subscription = mesh.subscribe('js.*')
      await subscription.ready
      ;(async () => { for await (const { subject, data, headers } of subscription) keep.seen.push({ subject, data, headers }) })()
    })
    for (;;) { // every instance it knows of, until it knows ada's
      probe.process.stdin.write('instances\n')
      const last = await Promise.race([probe.next('instance js'), probe.next('instances OK')])
      if (last.startsWith('instance js')) break
    }
  })
  after(async () => {
    await probe?.stop()
    await cluster?.stop()
  })

  test('answers JavaScript with what it was given, objects with shapes as well', async () => {
    const values = [null, 1, -5, 2 ** 40, 1.5, 'text', true, [1, [2, 'x']], { a: { b: [{ c: 1 }] } }, { id: 7, name: 'abc', n: 12345 }]
    const echoes = await ada.run(async (mesh, keep, values) => {
      const client = mesh.client('c-things')
      const out = []
      for (let round = 0; round < 4; round++) for (const value of values) out.push(await client.echo(value))
      return out
    }, values)
    assert.deepEqual(echoes, [...values, ...values, ...values, ...values])
  })

  test('types that only JavaScript has come back as they were, with shaped objects inside them', async () => {
    const same = await ada.run(async mesh => {
      const { isDeepStrictEqual } = await import('node:util')
      const shaped = () => ({ id: 1, name: 'abc', n: 2 })
      const cyclic = { name: 'a', items: [shaped(), shaped()] }
      cyclic.self = cyclic
      const error = Object.assign(new TypeError('no', { cause: shaped() }), { code: 'E1', more: [shaped()] })
      const values = [new Date(1e12), 2n ** 80n, new Map([[shaped(), new Set([shaped()])], ['k', shaped()]]), /a+/gi, new URL('http://a.b/c'),
        new Uint16Array([1, 2, 3]), Buffer.from('bytes'), undefined, [, 1, undefined], cyclic]
      const client = mesh.client('c-things')
      for (let round = 0; round < 3; round++) {
        for (const value of values) if (!isDeepStrictEqual(await client.echo(value), value)) return String(value)
        const back = await client.echo(error)
        if (!(back instanceof TypeError && back.code === 'E1' && back.cause.name === 'abc' && back.more[0].n === 2)) return 'the error'
      }
      return true
    })
    assert.equal(same, true)
  })

  test('sees objects as maps, and the headers and the time left of a call', async () => {
    const ask = () => ada.run(mesh => mesh.client('c-things').show({ id: 7, name: 'abc', n: 12345 }, { timeout: 60_000, headers: { who: 'ada' } }))
    for (let i = 0; i < 4; i++) {
      const [shown] = await Promise.all([probe.next('request'), ask()])
      const [, from, timeout, headers, payload] = shown.split(' ')
      assert.match(from, /^[0-9a-f]{16}$/)
      assert.ok(timeout > 50_000 && timeout <= 60_000, timeout)
      assert.equal(Buffer.from(headers, 'hex').toString('latin1'), '\x81\xa3who\xa3ada')
      assert.equal(payload, SMALL.replace('a26964', 'a26964'))
    }
  })

  test('calls JavaScript, and reads its answers, its errors and its refusals', async () => {
    assert.deepEqual(await probe.call('a', { service: 'js', method: 'echo', payload: SMALL }), { code: 'OK', delivered: 'maybe', hex: SMALL, text: 'it is done' })
    const wrong = await probe.call('b', { service: 'js', method: 'wrong' })
    assert.equal(`${wrong.code} ${wrong.delivered} ${wrong.text}`, 'ERR_WARREN_APPLICATION maybe out of range | RangeError EFAR')
    assert.equal((await probe.call('c', { service: 'js', method: 'nothing' })).code, 'ERR_WARREN_NO_METHOD')
    const nobody = await probe.call('d', { service: 'nowhere', method: 'x' })
    assert.equal(`${nobody.code} ${nobody.delivered}`, 'ERR_WARREN_NO_RESPONDERS no')
    assert.equal((await probe.call('e', { service: 'js', method: 'quiet', timeout: 50 })).code, 'ERR_WARREN_TIMEOUT')
    assert.equal((await probe.call('f', { service: 'js', method: 'quiet', how: 'cancel' })).code, 'ERR_WARREN_CANCELLED')
    const headers = Buffer.from('\x81\xa3who\xa1c', 'latin1').toString('hex')
    assert.equal((await probe.call('g', { service: 'js', method: 'headers', headers })).hex, headers)
  })

  test('is told what it may not say before anything is sent', async () => {
    const refused = async options => (await probe.call('x', { service: 'js', method: 'echo', ...options })).refused
    assert.equal(await refused({ payload: 'c1' }), 'ERR_WARREN_INVALID') // no value
    assert.equal(await refused({ payload: '92c0' }), 'ERR_WARREN_INVALID') // cut off
    assert.equal(await refused({ payload: 'c0c0' }), 'ERR_WARREN_INVALID') // two
    assert.equal(await refused({ payload: '92d5010000c0' }), 'ERR_WARREN_INVALID') // a shape that nobody knows
    assert.equal(await refused({ payload: '91'.repeat(65) + 'c0' }), 'ERR_WARREN_INVALID')
    assert.equal(await refused({ payload: `c6${(1 << 20).toString(16).padStart(8, '0')}${'00'.repeat(1 << 20)}` }), 'ERR_WARREN_TOO_LARGE')
    assert.equal(await refused({ headers: '8101a161' }), 'ERR_WARREN_INVALID')
    assert.equal(await refused({ service: 's'.repeat(256) }), 'ERR_WARREN_INVALID')
    assert.equal(await refused({ key: 'k'.repeat(256) }), 'ERR_WARREN_INVALID')
    assert.equal(await refused({ tags: 'zone' }), 'ERR_WARREN_INVALID')
    assert.equal(await refused({ to: 'dead' }), 'ERR_WARREN_NOT_FOUND')
    assert.equal(await probe.do('publish', 'a.*', 'c0', '-'), 'publish ERR_WARREN_INVALID')
    assert.equal(await probe.do('subscribe', 'a..b', '-'), 'subscribe ERR_WARREN_INVALID')
    probe.process.stdin.write(Buffer.from('serve \xf9\x80\x80\x80 -\n', 'latin1'))
    assert.equal(await probe.next('serve'), 'serve ERR_WARREN_INVALID')
    assert.equal(await probe.do('serve', 'x', 'zone'), 'serve ERR_WARREN_INVALID')
    for (const name of ['\x1b[1m', 'a\x7f']) assert.equal(await probe.do('serve', name, '-'), 'serve ERR_WARREN_INVALID')
    probe.process.stdin.write(Buffer.from('publish a.\xff\xfe c0 -\n', 'latin1'))
    assert.equal(await probe.next('publish'), 'publish ERR_WARREN_INVALID')
  })

  test('an answer of its that is no value becomes an error that says so', async () => {
    const [error] = await Promise.all([
      ada.run(mesh => mesh.client('c-things').garbage(1).catch(err => ({ code: err.code, message: err.message }))), probe.next('garbage ERR_WARREN_INVALID'),
    ])
    assert.equal(error.code, 'ERR_WARREN_INVALID')
  })

  test('its failures are Errors with code, message and delivered', async () => {
    const error = await ada.run(mesh => mesh.client('c-things').fail(1).catch(err => [err instanceof Error, err.message, err.code, err.delivered]))
    assert.deepEqual(error, [true, 'this is wrong', 'EWRONG', 'maybe'])
    const none = await ada.run(mesh => mesh.client('c-things').other(1).catch(err => err.code))
    assert.equal(none, 'ERR_WARREN_NO_METHOD')
  })

  test('a handler is told once that nobody waits any more, and may still answer', async () => {
    const code = ada.run(mesh => mesh.client('c-things').keep(1, { timeout: 300 }).catch(err => err.code))
    await probe.next('kept')
    await probe.next('aborted keep')
    assert.equal(await code, 'ERR_WARREN_TIMEOUT')
    assert.equal(await probe.do('answer'), 'answer OK')
  })

  test('streams go both ways, with credit, and end when their reader stops', async () => {
    const streamed = await probe.call('s', { service: 'js', method: 'numbers', payload: 'cd03e8', how: 'stream' })
    assert.equal(streamed.code, 'OK')
    for (let i = 0; i < 1000; i++) {
      const hex = (await probe.next('item s ')).split(' ')[2]
      assert.equal(hex.slice(0, 6), '81a169')
    }
    assert.equal((await probe.call('t', { service: 'js', method: 'numbers', payload: '03' })).code, 'ERR_WARREN_STREAM')
    const sum = await ada.run(async mesh => {
      let sum = 0
      for await (const n of await mesh.client('c-things').count()) sum += n
      return sum
    })
    assert.equal(sum, (100000 * 99999) / 2)
    const first = await ada.run(async mesh => { for await (const n of await mesh.client('c-things').endless()) return n })
    assert.equal(first, 0)
    await probe.next('count aborted')
  })

  test('an input that is a stream is refused at once: no handler in C would read it', async () => {
    const seen = await ada.run(async mesh => {
      const source = async function* () { yield 1 }
      return mesh.client('c-things').echo(source()).catch(err => [err.code, err.delivered])
    })
    assert.deepEqual(seen, ['ERR_WARREN_NO_METHOD', 'no'])
  })

  test('publishes to JavaScript and hears what it publishes and asks', async () => {
    assert.equal(await probe.do('publish', 'js.news', SMALL, Buffer.from('\x81\xa1h\xa1v', 'latin1').toString('hex')), 'publish OK')
    const seen = await ada.run(async (mesh, keep) => {
      while (keep.seen.length === 0) await new Promise(setImmediate)
      return keep.seen
    })
    assert.deepEqual(seen, [{ subject: 'js.news', data: { id: 7, name: 'abc', n: 12345 }, headers: { h: 'v' } }])
    for (let i = 0; i < 3; i++) {
      await ada.run((mesh, keep, i) => void mesh.publish('c.news.today', { i }), i)
      assert.equal(await probe.next('message'), `message c.news.today - 81a1690${i}`)
    }
    assert.deepEqual(await ada.run(mesh => mesh.request('c.question', [1, 2])), [1, 2])
    assert.equal(await probe.next('message'), 'message c.question - 920102')
    assert.equal((await probe.call('q', { subject: 'c.self', payload: '05' })).hex, '05')
  })

  test('hears once how a node ended, behind its last message', async () => {
    const bob = await cluster.member('bob')
    const id = await bob.run(mesh => mesh.self.id)
    while (await probe.do('monitor', id) !== 'monitor OK');
    await bob.run(async mesh => { for (let i = 0; i < 500; i++) mesh.publish('c.last', i); await mesh.flush() })
    await bob.kill()
    const [, downId] = (await probe.next('down')).split(' ')
    assert.equal(downId, id)
    let last
    for (let i = 0; i < 500; i++) last = await probe.next('message c.last')
    assert.equal(last, 'message c.last - cd01f3')
    assert.equal(await probe.do('monitor', id), 'monitor ERR_WARREN_NOT_FOUND')
  })

  test('is told of the publications that are lost with a node, ahead of its end', async () => {
    const cid = await cluster.member('cid')
    const id = await cid.run(async (mesh, keep) => {
      const subscription = mesh.subscribe('c-lost')
      await subscription.ready
      ;(async () => { for await (const { data } of subscription) keep.data = data })()
      return mesh.self.id
    })
    while (await probe.do('monitor', id) !== 'monitor OK');
    do await probe.do('publish', 'c-lost', '01', '-')
    while (!await cid.run((mesh, keep) => keep.data === 1))
    cid.process.kill('SIGSTOP')
    assert.equal(await probe.do('fill', 'c-lost'), 'fill ERR_WARREN_OVERLOADED')
    await cid.kill()
    assert.equal(await probe.next('gap', 'down'), `gap ${id} to 1`) // 1: as many as are counted
    assert.match(await probe.next('gap', 'down'), new RegExp(`^down ${id} crash `))
  })

  test('is found by its tags, and not any more when it has withdrawn', async () => {
    assert.equal(await ada.run(mesh => mesh.client('c-things').echo(1, { tags: { zone: 'c' } })), 1)
    const eve = await Probe.start(cluster)
    await eve.do('serve', 'short', '-')
    await ada.run(async mesh => { await mesh.available('short') })
    await eve.do('withdraw')
    assert.equal(await ada.run(async mesh => {
      for (;;) {
        try { await mesh.client('short').echo(1) } catch (err) { return err.code }
      }
    }), 'ERR_WARREN_NO_RESPONDERS')
    assert.equal(await eve.stop(), 0)
  })

  for (const mode of ['mine', 'foreign']) {
    test(`runs on a loop that is the program's (${mode})`, async () => {
      const eve = await Probe.start(cluster, mode)
      await eve.next('event joined')
      await eve.do('serve', `c-${mode}`, '-')
      assert.equal(await ada.run(async (mesh, keep, name) => {
        await mesh.available(name)
        return mesh.client(name).echo('hello')
      }, `c-${mode}`), 'hello')
      assert.equal((await eve.call('m', { service: 'js', method: 'echo', payload: '2a' })).hex, '2a')
      assert.equal(await eve.stop(), 0)
    })
  }

  test('goes on with its links when the agent is gone, and says so; without one it says how to start it', async () => {
    const other = await Cluster.start()
    const eve = await Probe.start(other)
    const dan = await other.member('dan')
    await eve.do('serve', 'eve', '-')
    await dan.run(async mesh => { await mesh.available('eve'); await mesh.client('eve').echo(1) })
    other.agent.kill('SIGKILL')
    await eve.next('event agent-lost')
    assert.equal(await dan.run(mesh => mesh.client('eve').echo(2)), 2)
    assert.equal(await eve.stop(), 0)
    await other.stop()
    const lonely = spawn(PROBE, [], { env: { ...process.env, WARREN_DIR: other.dir }, stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(createInterface({ input: lonely.stdout }), 'line')
    assert.match(line, /^open ERR_WARREN_NO_AGENT: no agent answers/)
  })

  test('nothing that came was no value', async () => {
    assert.equal(await probe.do('bad'), 'bad 0')
  })
})
