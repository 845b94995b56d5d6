// Who is in which room, whatever the order in which it is heard.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Presence } from '../../../examples/chat/presence.mjs'

const come = (number, user, room = 'r') => ({ number, room, user, by: 1 })
const go = (number, user, room = 'r') => ({ number, room, user, by: -1 })
const here = (user) => ({ room: 'r', user, isHere: true })
const gone = (user) => ({ room: 'r', user, isHere: false })

test('news that the list had already changes nothing', () => {
  const presence = new Presence()
  assert.deepEqual(presence.begin('a', { number: 2, users: [['r', 'ann']] }), [here('ann')])
  assert.deepEqual(presence.apply('a', come(2, 'ann')), [])
  assert.deepEqual(presence.apply('a', go(3, 'ann')), [gone('ann')])
})

test('news that overtook the list is kept for it', () => {
  const presence = new Presence()
  for (const news of [come(3, 'ann'), come(4, 'bob'), go(5, 'ann')]) assert.deepEqual(presence.apply('a', news), [])
  presence.begin('a', { number: 3, users: [['r', 'ann']] })
  assert.deepEqual(presence.users('r'), ['bob'])
})

test('a gap in the news asks for the list', () => {
  const presence = new Presence()
  presence.begin('a', { number: 1, users: [['r', 'ann']] })
  assert.equal(presence.apply('a', come(3, 'cyd')), null)
  assert.deepEqual(presence.begin('a', { number: 3, users: [['r', 'bob'], ['r', 'cyd']] }), [gone('ann'), here('bob'), here('cyd')])
})

test('who is there with two windows, on two servers, leaves with the last', () => {
  const presence = new Presence()
  presence.begin('a', { number: 0, users: [['r', 'ann'], ['r', 'ann']] })
  assert.deepEqual(presence.begin('b', { number: 0, users: [['r', 'ann']] }), [])
  assert.deepEqual(presence.apply('a', go(1, 'ann')), [])
  assert.deepEqual(presence.apply('a', go(2, 'ann')), [])
  assert.deepEqual(presence.end('b'), [gone('ann')])
  assert.deepEqual(presence.rooms(), [])
})
