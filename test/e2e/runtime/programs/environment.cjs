console.log(process.env.GREETING, process.env.ABSENT, 'PATH' in process.env, new Date(0).getHours())
process.env.TZ = 'Asia/Tokyo'
console.log(new Date(0).getHours(), process.env.TZ)
process.env.ADDED = 'for children'
console.log(require('node:child_process').execFileSync('/bin/sh', ['-c', 'echo $GREETING $ADDED']).toString().trim())
console.log(Object.keys(process.env).filter((name) => name.startsWith('WARREN')))
