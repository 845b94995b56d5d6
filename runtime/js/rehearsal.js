// What nearly every node does, done in the zygote with a pretended C half: joins, serves, subscribes, calls. boot.js says why.
'use strict'

const { Channel } = require('./channel.js')
const { HEAD_LEN, EVENT, FLAG, LIMIT } = require('./contract.js')
const { Mesh } = require('./mesh.js')

const OUTBOX_LEN = LIMIT.MESSAGE_LEN_DEFAULT + (256 << 10)
const PEER = 1

const inbox = new ArrayBuffer(4 << 10)
const outbox = new ArrayBuffer(OUTBOX_LEN)
const state = new ArrayBuffer(16)

class Stage {
  #onEvents

  open(options, onEvents) {
    this.#onEvents = onEvents
    // Property by property as in binding.c, for the same shape.
    const self = {}
    self.id = '0'.repeat(16)
    self.name = 'r.0'
    self.service = 'r'
    self.host = 'r'
    self.instance = 0
    self.incarnation = 2 ** 50
    self.inbox = inbox
    self.outbox = outbox
    self.state = state
    return self
  }

  // Every command is carried out at once: nobody is there.
  flush() {
    new Uint32Array(state)[0] = 0
  }

  ref() {}

  // Lets one event happen.
  event(kind, { flags = 0, id = 0, peer = PEER, arg = 0, extra = 0, name = '', payload = Buffer.alloc(0) }) {
    const text = Buffer.from(name)
    const bytes = Buffer.from(inbox)
    const len = (HEAD_LEN + text.length + payload.length + 7) & ~7
    new Uint32Array(inbox).set([len, kind | (flags << 8), id, peer, arg, text.length, payload.length, extra])
    text.copy(bytes, HEAD_LEN)
    payload.copy(bytes, HEAD_LEN + text.length)
    this.#onEvents(len)
  }
}

exports.rehearse = () => {
  const stage = new Stage()
  const channel = new Channel({}, stage)
  const mesh = new Mesh(channel)
  channel.join()
  stage.event(EVENT.JOINED, {})
  stage.event(EVENT.PEER, { flags: FLAG.BOOL, arg: 1, name: 'r.1', payload: Buffer.from('0000000000000001\0r\0r') })
  stage.event(EVENT.SERVICE, { flags: FLAG.BOOL, name: 'r' })

  const value = Buffer.from('83a2696401a46e616d65a3616263a16ecd3039', 'hex') // {id: 1, name: 'abc', n: 12345}
  mesh.serve('r', { now: (input) => input, later: async (input) => input })
  stage.event(EVENT.ANNOUNCED, { id: 1 })
  for (let slot = 0; slot < 3; slot++) stage.event(EVENT.REQUEST, { id: slot, arg: 5000, extra: 1, name: 'now', payload: value })
  stage.event(EVENT.REQUEST, { id: 3, arg: 5000, extra: 1, name: 'later', payload: value })

  const { now } = mesh.client('r')
  for (let i = 0; i < 3; i++) {
    now({ id: 1, name: 'abc', n: 12345 })
    stage.event(EVENT.REPLY, { id: 0, payload: value })
  }

  const subscription = mesh.subscribe('r.*')
  receive(subscription)
  stage.event(EVENT.MESSAGE, { id: 2, arg: 40, name: 'r.a', payload: value })
  mesh.publish('r.a', { id: 1, name: 'abc', n: 12345 })
  mesh.available('r')
}

async function receive(subscription) {
  for await (const { data } of subscription) void data
}
