const { spawn, spawnSync } = require('node:child_process')
console.log(spawnSync('/bin/sh', ['-c', 'cat; echo $0; exit 3'], { input: 'in ' }).stdout.toString().trim())
// Of the node's descriptors a child gets three: with its leash it would keep an agent's pipe open. (Numbers of three
// digits are what a shell around the test gave to all.)
const listing = spawnSync('/bin/ls', ['-l', '/proc/self/fd']).stdout.toString().split('\n')
const list = listing.filter((line) => / \d\d? -> (?!\/proc)/.test(line))
console.log('descriptors of a child', list.length)
spawn(process.execPath, ['-e', 'process.exit(require("warren").join ? 6 : 0)']).on('exit', (code) => console.log('exit', code))
