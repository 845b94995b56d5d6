// Twelve programs that only compute: `NAME` runs one, prints the milliseconds it took and a result that must not differ.
'use strict'

const programs = {
  fibonacci() {
    const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2))
    return fib(38)
  },
  sieve() {
    let count = 0
    for (let round = 0; round < 14; round++) {
      const composite = new Uint8Array(4e6)
      for (let i = 2; i < composite.length; i++) {
        if (composite[i]) continue
        count++
        for (let j = i * 2; j < composite.length; j += i) composite[j] = 1
      }
    }
    return count
  },
  matrix() {
    const n = 220
    const a = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => i + j))
    let sum = 0
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          let cell = 0
          for (let k = 0; k < n; k++) cell += a[i][k] * a[k][j]
          sum += cell % 7
        }
      }
    }
    return sum
  },
  nbody() {
    const bodies = Array.from({ length: 5 }, (_, i) => ({ x: i, y: i * 2, z: i * 3, vx: 0, vy: 0.1 * i, vz: 0, mass: 1 + i }))
    for (let step = 0; step < 6_000_000; step++) {
      for (let i = 0; i < 5; i++) {
        const a = bodies[i]
        for (let j = i + 1; j < 5; j++) {
          const b = bodies[j]
          const dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z
          const far = dx * dx + dy * dy + dz * dz + 0.01
          const pull = 0.0001 / (far * Math.sqrt(far))
          a.vx -= dx * b.mass * pull; a.vy -= dy * b.mass * pull; a.vz -= dz * b.mass * pull
          b.vx += dx * a.mass * pull; b.vy += dy * a.mass * pull; b.vz += dz * a.mass * pull
        }
      }
      for (const body of bodies) { body.x += body.vx * 1e-4; body.y += body.vy * 1e-4; body.z += body.vz * 1e-4 }
    }
    return bodies[0].x.toFixed(9)
  },
  trees() {
    const make = (depth) => (depth === 0 ? { left: null, right: null } : { left: make(depth - 1), right: make(depth - 1) })
    const count = (tree) => (tree.left === null ? 1 : 1 + count(tree.left) + count(tree.right))
    const kept = make(16)
    let sum = 0
    for (let i = 0; i < 4000; i++) sum += count(make(12))
    return sum + count(kept)
  },
  maps() {
    const map = new Map(), set = new Set()
    for (let i = 0; i < 3_000_000; i++) map.set(`k${i % 50_000}`, (map.get(`k${i % 50_000}`) ?? 0) + i)
    for (const [key, value] of map) if (value % 3 === 0) set.add(key)
    return `${map.size} ${set.size}`
  },
  strings() {
    let length = 0
    for (let i = 0; i < 400_000; i++) {
      const words = `the quick brown fox ${i} jumps over the lazy dog`.split(' ')
      length += words.map((word) => word[0].toUpperCase() + word.slice(1)).join('-').replace(/o/g, '0').length
    }
    return length
  },
  regexp() {
    let count = 0
    const text = 'alice@example.org, bob.smith+tag@mail.example.com; not an address, 2024-01-31T10:20:30Z '.repeat(50)
    for (let i = 0; i < 14_000; i++) {
      count += text.match(/[\w.+-]+@[\w-]+(\.[\w-]+)+/g).length
      count += text.replace(/(\d{4})-(\d\d)-(\d\d)/g, '$3.$2.$1').length
    }
    return count
  },
  json() {
    const value = { users: Array.from({ length: 300 }, (_, i) => ({ id: i, name: `user ${i}`, tags: ['a', 'b'], at: { x: i / 3 } })) }
    let length = 0
    for (let i = 0; i < 1500; i++) length += JSON.stringify(JSON.parse(JSON.stringify(value))).length
    return length
  },
  sort() {
    let seed = 1
    const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648)
    let sum = 0
    for (let round = 0; round < 10; round++) {
      const list = Array.from({ length: 120_000 }, () => ({ key: next() }))
      list.sort((a, b) => a.key - b.key)
      sum += list[1000].key
    }
    return sum
  },
  generators() {
    function * numbers(n) { for (let i = 0; i < n; i++) yield i }
    class Shape { area() { return 0 } }
    class Square extends Shape { constructor(side) { super(); this.side = side } area() { return this.side ** 2 } }
    class Circle extends Shape { constructor(radius) { super(); this.radius = radius } area() { return 3 * this.radius ** 2 } }
    let sum = 0
    for (const i of numbers(24_000_000)) sum += (i % 2 ? new Square(i % 10) : new Circle(i % 10)).area()
    return sum
  },
  bigint() {
    let a = 1n, b = 1n
    for (let i = 0; i < 250_000; i++) [a, b] = [b, a + b]
    return Number(b % 1_000_000_007n)
  },
}

module.exports = Object.keys(programs)
if (require.main === module) {
  const name = process.argv[2]
  const began = performance.now(), before = process.cpuUsage()
  const result = programs[name]()
  const ms = performance.now() - began, { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ name, ms, userMs: user / 1000, systemMs: system / 1000, result: String(result), version: process.version }))
}
