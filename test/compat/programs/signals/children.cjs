// Children start with default dispositions, die by signals, and are told apart; groups and sessions
const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
async function main() {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGPIPE', 'SIGQUIT']) {
    const child = spawn('sh', ['-c', 'echo; ulimit -c 0; while :; do sleep 1; done'], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    await once(child.stdout, 'data')
    process.kill(-child.pid, signal)
    console.log(...await once(child, 'exit'), child.signalCode, child.killed)
  }
  console.log(spawnSync('sh', ['-c', 'kill -9 $$']).signal, spawnSync('sleep', ['10'], { timeout: 20, killSignal: 'SIGINT' }).signal)
  const stopped = spawn(process.execPath, ['-e', 'process.on("SIGCONT", () => { console.log("continued"); process.exit(4) }); console.log("ready"); setInterval(() => {}, 1000)'])
  await once(stopped.stdout, 'data')
  process.kill(stopped.pid, 'SIGSTOP'); process.kill(stopped.pid, 'SIGCONT')
  console.log(String((await once(stopped.stdout, 'data'))[0]).trim(), ...await once(stopped, 'exit'))
  const pipe = spawn('sh', ['-c', 'exec <&-; echo; sleep 0.1'])
  pipe.stdin.on('error', (err) => console.log(err.code, err.syscall))
  await once(pipe.stdout, 'data')
  pipe.stdin.write('x'.repeat(10))
  console.log(...await once(pipe, 'exit'))
}
main()
