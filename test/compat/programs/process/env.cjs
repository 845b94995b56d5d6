// process.env: coerced, deleted, enumerated, handed on to children; a change of TZ is a change of Date
// @env TZ=Asia/Tokyo
// @env COMPAT_A=one=two
// @env EMPTY=
const { execFileSync } = require('node:child_process')
console.log(process.env.COMPAT_A, JSON.stringify(process.env.EMPTY), process.env.NONE, 'EMPTY' in process.env, 'NONE' in process.env)
console.log(new Date(0).toString(), Intl.DateTimeFormat().resolvedOptions().timeZone, Intl.DateTimeFormat().resolvedOptions().locale)
process.env.TZ = 'America/New_York'
console.log(new Date(0).toString(), Intl.DateTimeFormat().resolvedOptions().timeZone)
process.env.NUMBER = 1; process.env.UNDEFINED = undefined; delete process.env.EMPTY
console.log(process.env.NUMBER, process.env.UNDEFINED, 'EMPTY' in process.env, Object.getOwnPropertyDescriptor(process.env, 'NUMBER'))
try { process.env.SYMBOL = Symbol('s') } catch (err) { console.log(err.message) }
try { Object.defineProperty(process.env, 'X', { value: '1' }) } catch (err) { console.log(err.code) }
console.log(Object.keys(process.env).filter((key) => !/^(PATH|HOME|PWD|SHLVL|_|OLDPWD)$/.test(key)).sort().join())
console.log(String(execFileSync('env')).split('\n').filter((line) => /^(NUMBER|UNDEFINED|COMPAT_A|TZ|EMPTY)=/.test(line)).sort().join())
console.log(String(execFileSync('sh', ['-c', 'echo $NUMBER $1', 'sh', 'arg'], { env: { NUMBER: 2 } })).trim(), Object.prototype.toString.call(process.env))
