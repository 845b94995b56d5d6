// Signals are heard with their name and number, once or often, until they are not; some can't be handled
const sent = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR2', 'SIGWINCH', 'SIGCONT', 'SIGALRM', 'SIGQUIT', 'SIGIO', 'SIGPIPE']
async function main() {
  const alive = setInterval(() => {}, 1000)
  for (const signal of sent) {
    const heard = new Promise((resolve) => process.once(signal, (name, number) => resolve([name, number])))
    process.kill(process.pid, signal)
    console.log(...await heard, process.listenerCount(signal))
  }
  let count = 0
  const twice = new Promise((resolve) => process.on('SIGUSR2', function often() { if (++count === 2) { process.off('SIGUSR2', often); resolve() } else process.kill(process.pid, 'SIGUSR2') }))
  process.kill(process.pid, 'SIGUSR2')
  await twice
  console.log(count, process.kill(process.pid, 0))
  for (const bad of ['SIGKILL', 'SIGSTOP']) try { process.on(bad, () => {}) } catch (err) { console.log(err.code, err.syscall) }
  try { process.kill(process.pid, 'SIGNONE') } catch (err) { console.log(err.code) }
  try { process.kill(2 ** 30, 0) } catch (err) { console.log(err.code, err.syscall) }
  clearInterval(alive)
}
main()
