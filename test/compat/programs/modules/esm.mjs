// ES modules: live bindings, cycles, CommonJS names, JSON, data URLs, queries, meta, errors, self-reference
import * as named from './files/named.cjs'
import { one } from './files/named.cjs'
import { a, count, up } from './files/cycle-a.mjs'
import { call } from './files/cycle-b.mjs'
import fs, { readFileSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
console.log(one, Object.keys(named).join(), a(), call(), count); up(); console.log(count)
console.log(Object.keys(import.meta).join(), import.meta.url.endsWith('/esm.mjs'), typeof import.meta.resolve, this, typeof require, typeof module)
console.log(Object.prototype.toString.call(named), Object.isSealed(named), fs.readFileSync === readFileSync)
const { readFileSync: original } = fs; fs.readFileSync = () => 'patched'; syncBuiltinESMExports(); console.log(readFileSync()); fs.readFileSync = original; syncBuiltinESMExports()
console.log((await import('data:text/javascript,export default import.meta.url.length')).default, (await import('data:application/json,{"a":1}', { assert: { type: 'json' } })).default)
console.log((await import('./files/cycle-a.mjs?other')).count, (await import('./files/cycle-a.mjs')).count)
console.log(createRequire(import.meta.url)('./files/data.json').json, path.basename(createRequire(import.meta.url).resolve('./esm.mjs')))
for (const wrong of ['./files/data.json', './files', './files/none.mjs', 'none', 'http://127.0.0.1/x.mjs', 'node:none', 'data:text/javascript,export default {', 'data:text/javascript,throw 5'])
  await import(wrong).then(() => console.log('imported'), (err) => console.log(err?.code ?? err?.name ?? err, String(err?.message).replaceAll(path.dirname(new URL(import.meta.url).pathname), '').slice(0, 90)))
await import('./files/pkg/main.js')
const [x, y] = await Promise.all([import('./files/cycle-b.mjs'), import('./files/cycle-b.mjs')]); console.log(x === y)
await Promise.resolve(); console.log('top-level await', new URL('.', import.meta.url).pathname.endsWith('/modules/'))
try { undefinedName } catch (err) { console.log(err.message, 'strict:', (function () { return this })()) }
