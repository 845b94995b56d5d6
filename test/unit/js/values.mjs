// Random values of every kind that a message can carry.
const LETTERS = ['a', 'b', 'key', 'é', '漢', '🍺', '"', '\\', ' ', '\u2028', '_']
const VIEWS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]
const KEYS = ['id', 'name', 'n', 'user', 'list', '__proto__', 'constructor', '7', '']

export function randomText(random) {
  const units = random.below(10) === 0 ? random.below(400) : random.below(12)
  return Array.from({ length: units }, () => random.pick(LETTERS)).join('')
}

function randomNumber(random) {
  switch (random.below(6)) {
    case 0: return random.below(256) - 128
    case 1: return random.below(2 ** 17) - 2 ** 16
    case 2: return random.below(2 ** 33) - 2 ** 32
    case 3: return Math.trunc((random.next() - 0.5) * 2 ** 54)
    case 4: return (random.next() - 0.5) * 10 ** (random.below(600) - 300)
    default: return random.pick([NaN, -0, Infinity, -Infinity, 0.5, 2 ** 53])
  }
}

function randomBigInt(random) {
  const big = BigInt(Math.trunc(random.next() * 2 ** 53)) ** BigInt(random.below(20))
  return random.below(2) === 0 ? big : -big
}

function randomBytes(random) {
  return Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)))
}

function randomView(random) {
  const viewClass = random.pick(VIEWS)
  const view = new viewClass(random.below(6))
  new Uint8Array(view.buffer).set(Array.from({ length: view.byteLength }, () => random.below(256)))
  return view
}

function randomObject(random, depth) {
  const object = {}
  for (let i = random.below(6); i > 0; i--) {
    const key = random.below(3) === 0 ? randomText(random) : random.pick(KEYS)
    Object.defineProperty(object, key, { value: randomValue(random, depth), writable: true, enumerable: true, configurable: true })
  }
  return object
}

function randomArray(random, depth) {
  const array = Array.from({ length: random.below(random.below(10) === 0 ? 40 : 5) }, () => randomValue(random, depth))
  if (random.below(8) === 0) array.length += random.below(3)
  return array
}

function randomError(random, depth) {
  const error = new (random.pick([Error, TypeError, RangeError]))(randomText(random), { cause: randomValue(random, depth) })
  return Object.assign(error, { code: randomText(random) })
}

const SCALARS = [
  randomNumber, randomNumber, randomText, randomText, randomBigInt, randomBytes, randomView,
  (random) => random.pick([null, undefined, true, false]),
  (random) => new Date(random.below(4) === 0 ? (random.next() - 0.5) * 1.7e16 : random.below(2 ** 42)),
  (random) => new RegExp(random.pick(['a+', '[^/]', '(?:x|y)']), random.pick(['', 'g', 'iu'])),
  (random) => new URL(`https://example.org/${encodeURIComponent(randomText(random))}`),
  (random) => randomView(random).buffer,
]
const CONTAINERS = [
  randomObject, randomObject, randomObject, randomArray, randomArray, randomError,
  (random, depth) => new Map(Array.from({ length: random.below(5) }, () => [randomValue(random, depth), randomValue(random, depth)])),
  (random, depth) => new Set(Array.from({ length: random.below(5) }, () => randomValue(random, depth))),
]

export function randomValue(random, depth = 5) {
  const isContainer = depth > 0 && random.below(2) === 0
  return isContainer ? random.pick(CONTAINERS)(random, depth - 1) : random.pick(SCALARS)(random)
}

// All objects inside `value` that can be referred back to.
export function objectsIn(value, found = []) {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found
  found.push(value)
  if (value instanceof Map) for (const pair of value) pair.forEach((part) => objectsIn(part, found))
  else if (value instanceof Set) for (const part of value) objectsIn(part, found)
  else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) for (const key of Object.keys(value)) objectsIn(value[key], found)
  return found
}
