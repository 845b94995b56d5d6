// Options that Node does not know or cannot take, by children: what they say and their codes
const { spawnSync } = require('node:child_process')
for (const args of [['--none-such'], ['--max-http-header-size'], ['--stack-trace-limit=x', '-p', '1'], ['--check', __filename], ['-e'], ['--input-type=module', '-e', 'console.log(import.meta.url.slice(0, 5))'], ['-p', '[1,2]'], ['--prof-process', '/none'], ['/none.js'], ['--', __filename + 'x'], ['--version']]) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  console.log(args.join(' ').replaceAll(__dirname, ''), status, signal, stdout.trim().split('\n')[0], stderr.trim().replaceAll(process.execPath, '<node>').replace(/^warren-node: /, 'node: ').replaceAll(__dirname, '').split('\n').slice(0, 5).join('|'))
}
