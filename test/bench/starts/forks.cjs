// child_process.fork: COUNT children, each sent a message; then their private memory after IDLE_MS.
'use strict'
const { fork } = require('child_process')
const { readFileSync } = require('fs')

const [count, idleMs] = process.argv.slice(2).map(Number)
const began = performance.now()
const children = Array.from({ length: count }, () => fork(require.resolve('./echo.cjs')))
Promise.all(children.map((child, i) => new Promise((resolve) => {
  child.once('message', resolve)
  child.send(i)
}))).then(() => {
  const ms = performance.now() - began
  setTimeout(() => {
    const each = children.map(({ pid }) => {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
      return [...text.matchAll(/^Private_(?:Dirty|Clean):\s+(\d+) kB$/gm)].reduce((sum, [, kB]) => sum + Number(kB), 0) / 1024
    })
    console.log(JSON.stringify({ ms, each }))
    for (const child of children) child.kill()
  }, idleMs)
})
