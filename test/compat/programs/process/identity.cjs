// What a process is: argv, execArgv, versions, ids, directories, features, and a start that was just now.
// @args one --two=2 3
const path = require('node:path')
console.log(process.argv.length, process.argv.slice(2), path.basename(process.argv[1]), process.argv[0] === process.execPath, process.execArgv)
console.log(process.version, process.release.name, process.release.lts, process.arch, process.platform, process.versions.modules, process.versions.v8.split('-')[0])
console.log(process.pid > 1, process.ppid > 0, process.getuid() === process.geteuid(), process.getgid() === process.getegid(), process.getgroups().length > 0)
console.log(process.cwd() === __dirname, require.main === module, module.id, process.mainModule === module, module.parent, module.paths[0] === path.join(__dirname, 'node_modules'))
console.log(process.umask().toString(8), process.exitCode, process.connected, typeof process.send, process.channel, process.debugPort, process.noDeprecation, process.throwDeprecation)
console.log(Math.abs(Date.now() - performance.timeOrigin) < 60e3, performance.now() < 60e3, process.uptime() < 60, process.uptime() > 0, process.hrtime.bigint() > 0n)
console.log(Object.keys(process.memoryUsage()).join(), process.memoryUsage.rss() > 1e6, process.memoryUsage().heapUsed > 1e6, Object.keys(process.resourceUsage()).length, process.cpuUsage().user >= 0)
console.log(JSON.stringify({ ...process.features, cached_builtins: 0 }), process.config.variables !== undefined, process.allowedNodeEnvironmentFlags.has('--max-old-space-size'), process.stdout.fd, process.stderr.fd, process.stdin.fd)
console.log(Object.keys(process).filter((key) => !key.startsWith('_')).sort().join(' '))
console.log(Object.getOwnPropertyNames(globalThis).sort().join(' '))
console.log(process.eventNames().map(String).sort().join(), process.listenerCount('SIGINT'), process.getActiveResourcesInfo(), process._getActiveHandles().length)
try { process.chdir('/nothing') } catch (err) { console.log(err.message.replace(process.cwd(), '<cwd>')) }
process.chdir('/'); console.log(process.cwd(), process.env.PWD === undefined)
