// CommonJS: cycles, the cache, resolve, JSON, extensions, wrappers, createRequire, builtins, errors of each
const Module = require('node:module')
const path = require('node:path')
const { seen, late } = require('./files/a.cjs')
console.log(seen, late, require('./files/data').json, require('./files/data.json') === require('./files/data.json'))
console.log(path.relative(__dirname, require.resolve('./files/a.cjs')), require.resolve('fs'), require.resolve('node:fs'), require.resolve.paths('x')[0] === path.join(__dirname, 'node_modules'))
console.log(Object.keys(require.cache).map((file) => path.relative(__dirname, file)).join(), module.children.length, module.loaded, module.filename === __filename)
delete require.cache[require.resolve('./files/data.json')]
console.log(require('./files/data').json.length, Object.keys(require.extensions).join(), Module.wrap('x'), Module.isBuiltin('fs'), Module.isBuiltin('node:test'), Module.isBuiltin('warren-none'))
console.log(Module.builtinModules.filter((name) => !name.startsWith('warren')).join())
const from = Module.createRequire(path.join(__dirname, 'files/any.js'))
console.log(from('./named.cjs').two, from.resolve('./b.cjs').endsWith('files/b.cjs'))
require.extensions['.txt'] = (module, file) => { module.exports = file.slice(-9) }
require('node:fs').writeFileSync(path.join(require('node:os').tmpdir(), 'file.txt'), '')
console.log(require(path.join(require('node:os').tmpdir(), 'file.txt')))
for (const wrong of ['./files/broken.json', './none', 'none-such', 'node:none', './files/cycle-a.mjs', '']) try { require(wrong) } catch (err) { console.log(err.code ?? err.name, err.message.replaceAll(__dirname, '').split('\n')[0]) }
console.log(arguments.length, this === module.exports, typeof __filename, (() => { try { return eval('import.meta') } catch (err) { return err.message } })())
const made = new Module('made'); made._compile('module.exports = [__filename, typeof require]', '/made.js'); console.log(made.exports)
import('./files/named.cjs').then((space) => console.log(Object.keys(space).join(), space.one))
