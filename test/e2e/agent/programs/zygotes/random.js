// Draws from each of Node's stores, and from V8's, before the fork.
const { randomUUID, randomInt } = require('crypto')
const { random } = Math
for (let i = 0; i < 3; i++) [randomUUID(), randomInt(1000), Math.random()]
exports.kept = random // whoever keeps the function keeps a good one
