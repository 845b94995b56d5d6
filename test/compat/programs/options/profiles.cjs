// --cpu-prof, --heap-prof and --prof of children write their files; so do heap snapshots on a signal
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
for (const option of ['--cpu-prof', '--heap-prof', '--prof']) {
  const dir = fs.mkdtempSync(`${os.tmpdir()}/p`)
  console.log(option, spawnSync(process.execPath, [option, '-e', 'let s = 0; for (let i = 0; i < 1e5; i++) s += i'], { cwd: dir }).status, fs.readdirSync(dir).map((name) => name.replace(/[\da-fx]{4,}/g, 'N').replace(/\d+/g, 'N').replace(/(\.N)+\.N/, '.N')).join())
}
const { writeHeapSnapshot } = require('node:v8')
const file = writeHeapSnapshot(`${os.tmpdir()}/s.heapsnapshot`)
const snapshot = JSON.parse(fs.readFileSync(file))
console.log(snapshot.snapshot.node_count > 1000, snapshot.strings.includes('writeHeapSnapshot'))
