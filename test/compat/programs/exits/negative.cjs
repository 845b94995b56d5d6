// exit(-1), and what exit() makes of text and of undefined, by children
// @code 255
const { spawnSync } = require('node:child_process')
for (const code of ['"7"', 'undefined', '256', '1.5', 'null', 'true']) console.log(code, spawnSync(process.execPath, ['-e', `process.exitCode = 3; process.exit(${code})`]).status)
process.exit(-1)
