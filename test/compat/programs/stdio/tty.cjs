// Terminals: what a program sees in a real one, what it sees without, colours by environment, cursor sequences
const tty = require('node:tty')
const { spawnSync } = require('node:child_process')
console.log([0, 1, 2, 99, -1, 'x'].map((fd) => tty.isatty(fd)).join())
for (const env of [{}, { TERM: 'dumb' }, { TERM: 'xterm-256color' }, { COLORTERM: 'truecolor' }, { NO_COLOR: '1', TERM: 'xterm' }, { FORCE_COLOR: '3' }]) console.log(JSON.stringify(env), tty.WriteStream.prototype.getColorDepth.call({}, env), tty.WriteStream.prototype.hasColors.call({ getColorDepth: tty.WriteStream.prototype.getColorDepth }, 16, env))
try { new tty.ReadStream(-5) } catch (err) { console.log(err.code) }
const script = 'console.log(process.stdout.isTTY, process.stdin.isTTY, process.stdin.constructor.name, process.stdout.getWindowSize(), process.stdout.hasColors()); process.stdin.setRawMode(true); console.log(process.stdin.isRaw); process.stdin.setRawMode(false); process.stdout.cursorTo(3, 4); process.stdout.clearLine(0); console.log({ a: 1 }); process.stdin.destroy()'
const { stdout, status } = spawnSync('script', ['-qec', `stty cols 90 rows 30; '${process.execPath}' -e '${script}'`, '/dev/null'], { encoding: 'utf8', env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh' } })
console.log(JSON.stringify(stdout), status)
