// os: what it tells of the host agrees with /proc and with the environment
const os = require('node:os')
const fs = require('node:fs')
console.log(os.hostname() === fs.readFileSync('/proc/sys/kernel/hostname', 'utf8').trim(), os.type(), os.release() === fs.readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(), os.platform(), os.arch(), os.machine(), os.endianness(), JSON.stringify(os.EOL), os.devNull)
console.log(os.cpus().length, Object.keys(os.cpus()[0]).join(), os.totalmem() > os.freemem(), os.loadavg().length, os.uptime() > 1, os.homedir() === process.env.HOME, os.tmpdir() === process.env.TMPDIR, os.availableParallelism())
const { username, uid, shell } = os.userInfo(); console.log(username, uid === process.getuid(), shell, os.userInfo({ encoding: 'buffer' }).username)
console.log(Object.keys(os.networkInterfaces()).includes('lo'), os.networkInterfaces().lo[0].address, JSON.stringify(os.constants.signals), Object.keys(os.constants.errno).length, os.constants.priority.PRIORITY_LOW, os.version() === String(fs.readFileSync('/proc/sys/kernel/version')).trim())
try { os.setPriority(999999999, 1) } catch (err) { console.log(err.code, err.info.code) }
try { os.getPriority('x') } catch (err) { console.log(err.code) }
