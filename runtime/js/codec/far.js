// Keys that are numbers. V8 keeps them as the elements of an array and takes room for all that could stand before them:
// 8 KiB for an object whose one key is "1000", which is a few bytes of a message.
'use strict'

const NEAR = 9
const ROOM_PER_KEY = 4
const INDEX_LEN_MAX = 10
const INDEX_MAX = 4294967294 // an object that has had this one keeps its numbers in a table

// Whether `key`, after `count` others of its object, would take room out of proportion.
function isFar(key, count) {
  const first = key.charCodeAt(0)
  return first >= 0x31 && first <= 0x39 && key.length <= INDEX_LEN_MAX && Number(key) > NEAR + ROOM_PER_KEY * count
}

// From now on each key of `object` takes room for itself alone. True.
function takeFar(object) {
  Object.defineProperty(object, INDEX_MAX, { value: undefined, configurable: true })
  return delete object[INDEX_MAX]
}

module.exports = { isFar, takeFar }
