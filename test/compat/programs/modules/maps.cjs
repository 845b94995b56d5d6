// Source maps: stacks name the sources, when the program says so; findSourceMap and SourceMap
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { SourceMap, findSourceMap } = require('node:module')
const map = { version: 3, file: 'out.js', sources: ['source.ts'], names: ['fails'], mappings: 'AAEA,SAASA;EACP' }
const file = path.join(os.tmpdir(), 'out.js')
fs.writeFileSync(file, `exports.fails = () => { throw new Error('mapped') }\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}\n`)
const stack = () => { delete require.cache[file]; try { require(file).fails() } catch (err) { return err.stack.split('\n').slice(0, 2).join('|') } }
console.log(stack())
process.setSourceMapsEnabled(true)
console.log(stack(), findSourceMap(file)?.payload.sources.length, process.sourceMapsEnabled)
process.setSourceMapsEnabled(false)
console.log(stack(), findSourceMap('/none'))
console.log(JSON.stringify(new SourceMap(map).findEntry(0, 5)))
