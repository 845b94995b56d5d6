// For any value: what arrives equals what was sent. `SEED=n` replays a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectsIn, randomValue } from './values.mjs'
import { Random, Wire } from './support.mjs'

const seed = Number(process.env.SEED ?? 42)

test(`decode(encode(x)) equals x (seed ${seed})`, () => {
  const random = new Random(seed)
  const wire = new Wire()
  for (let i = 0; i < 5000; i++) {
    const value = randomValue(random)
    assert.deepEqual(wire.trip(value), value, `case ${i}`)
  }
  assert.ok(wire.shapes.count > 10, 'shapes were used')
})

test(`values with cycles and shared objects keep them (seed ${seed})`, () => {
  const random = new Random(seed)
  const wire = new Wire()
  for (let i = 0; i < 2000; i++) {
    const value = { first: randomValue(random), list: [] }
    const objects = objectsIn(value)
    for (let links = random.below(5); links > 0; links--) value.list.push(random.pick(objects))
    assert.deepEqual(wire.trip(value), value, `case ${i}`)
    const back = wire.trip(value)
    value.list.forEach((target, k) => {
      if (target === value) assert.equal(back.list[k], back)
      if (target === value.list) assert.equal(back.list[k], back.list)
    })
  }
})
