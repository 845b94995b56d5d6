// Child processes that can't be started, each in its way; then one that can.
const { spawn, spawnSync } = require('child_process')
const { once } = require('events')
const fs = require('fs')
const os = require('os')
const path = require('path')
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'spawn-'))
const file = (name, text, mode) => {
  fs.writeFileSync(path.join(dir, name), text, { mode })
  return path.join(dir, name)
}
const attempts = {
  missing: [path.join(dir, 'missing')],
  'no interpreter': [file('script', '#!/no/such/interpreter\n', 0o755)],
  'no program': [file('text', 'hello', 0o644)],
  'no directory': ['/bin/true', [], { cwd: path.join(dir, 'nowhere') }],
  'too long': ['/bin/true', ['x'.repeat(200_000)]],
}
async function main() {
  for (const [name, [command, args = [], options = {}]] of Object.entries(attempts)) {
    let code
    try {
      const child = spawn(command, args, options)
      code = (await once(child, 'error'))[0].code
    } catch (err) {
      code = `throws ${err.code}`
    }
    console.log(name, code, spawnSync(command, args, options).error.code)
  }
  console.log(spawnSync('/bin/echo', ['fine']).stdout.toString().trim())
  fs.rmSync(dir, { recursive: true })
}
main().catch((err) => { console.log(err); process.exit(1) })
