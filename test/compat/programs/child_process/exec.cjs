// exec, execFile and their synchronous forms: output, limits, codes, encodings, shells, input
const { exec, execFile, execSync, execFileSync, spawnSync } = require('node:child_process')
const { promisify } = require('node:util')
async function main() {
  console.log(await promisify(exec)('echo out; echo err >&2'))
  await promisify(exec)('echo some; exit 4').catch((err) => console.log(err.code, err.killed, err.signal, err.cmd, err.stdout))
  await promisify(execFile)('sh', ['-c', 'yes | head -c 100000'], { maxBuffer: 1000 }).catch((err) => console.log(err.code, err.stdout.length))
  await promisify(exec)('sleep 60', { timeout: 20 }).catch((err) => console.log(err.killed, err.signal, err.code))
  const { stdout } = await promisify(execFile)('printf', ['\\377\\001'], { encoding: 'buffer' })
  console.log(stdout)
  console.log(execSync('cat', { input: 'in', encoding: 'utf8' }), execFileSync('echo', ['a b', '$HOME']).toString())
  try { execSync('echo bad >&2; exit 3', { stdio: 'pipe' }) } catch (err) { console.log(err.status, err.signal, String(err.stderr), err.message) }
  const { status, signal, output, pid, error } = spawnSync('sh', ['-c', 'echo 1; kill -TERM $$'], { encoding: 'utf8' })
  console.log(status, signal, output, pid > 0, error)
  console.log(spawnSync('none').error.code, spawnSync('sleep', ['60'], { timeout: 20 }).error.code, spawnSync('yes', { maxBuffer: 10 }).error.code)
  console.log(spawnSync(process.execPath, ['-e', 'process.stdout.write("x".repeat(200000)); process.exitCode = 6']).stdout.length)
  const child = exec('exit 0', (err, out) => console.log(err, JSON.stringify(out)))
  console.log(typeof child.pid)
}
main()
