const { createRequire } = require('node:module')
const path = require('node:path')
const dir = process.argv[2]
const addon = createRequire(dir + '/')('node-gyp-build')(path.join(dir, 'node_modules/bufferutil'))
const out = Buffer.alloc(4)
addon.mask(Buffer.from([1, 2, 3, 4]), Buffer.from([0, 1, 6, 3]), out, 0, 4)
console.log('native', Object.keys(require.cache).some((file) => file.endsWith('.node')))
console.log(out.toString('hex'))
