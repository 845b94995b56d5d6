// Grows without end: heap (objects), buffers (20 MiB every 50 ms), burst (1 GiB at once), child (a process that grows).
const { spawn } = require('node:child_process')
const kept = []
const ways = {
  heap() {
    for (;;) kept.push({ n: kept.length, list: [1, 2, 3, kept.length] })
  },
  buffers() {
    setInterval(() => kept.push(Buffer.alloc(20 << 20, 1)), 50)
  },
  burst() {
    try {
      kept.push(Buffer.alloc(1 << 30, 1))
    } catch (err) {
      console.log(`refused: ${err.message}`)
    }
  },
  child() {
    spawn('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=1G', 'count=1'])
    setInterval(() => {}, 1e6)
  },
}
ways[process.argv[2]]()
