// esbuild: bundles, minifies, transforms TypeScript and JSX, source maps, plugins, errors, watch contexts; by its API and its service
import * as esbuild from 'esbuild'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
const at = (name) => path.join(os.tmpdir(), name)
console.log((await esbuild.transform('const f = (x: number): string => `${x ?? 1}`', { loader: 'ts', target: 'es2019' })).code.trim())
console.log(esbuild.transformSync('let view = <a b="c">{d}</a>', { loader: 'jsx', minify: true }).code.trim())
fs.writeFileSync(at('a.ts'), 'import { b } from "./b"\nimport data from "virtual:data"\nexport const a: number = b(2) + data.n\nconsole.log(a)\n')
fs.writeFileSync(at('b.js'), 'export const b = (x) => x * 20\nexport const unused = 1\n')
const plugin = { name: 'virtual', setup(build) {
  build.onResolve({ filter: /^virtual:/ }, ({ path }) => ({ path, namespace: 'virtual' }))
  build.onLoad({ filter: /.*/, namespace: 'virtual' }, () => ({ contents: '{"n":2}', loader: 'json' }))
} }
const options = { entryPoints: [at('a.ts')], bundle: true, platform: 'node', format: 'esm', outdir: at('out'), outExtension: { '.js': '.mjs' }, sourcemap: true, metafile: true, plugins: [plugin], logLevel: 'silent', absWorkingDir: os.tmpdir() }
const { metafile, errors } = await esbuild.build(options)
console.log(errors.length, Object.keys(metafile.inputs).sort().join(), Object.keys(metafile.outputs).length, fs.readFileSync(at('out/a.mjs'), 'utf8').includes('unused'))
console.log((await import(at('out/a.mjs'))).a)
await esbuild.build({ ...options, entryPoints: [at('none.ts')] }).catch((err) => console.log(err.errors[0].text.replace(os.tmpdir(), '')))
await esbuild.transform('let = = 1').catch((err) => console.log(err.errors[0].location.line, err.errors[0].text))
const context = await esbuild.context({ ...options, write: false, minify: true })
const first = await context.rebuild()
fs.writeFileSync(at('b.js'), 'export const b = (x) => x * 200\n')
const second = await context.rebuild()
console.log(first.outputFiles.length, first.outputFiles[1].text === second.outputFiles[1].text)
await context.dispose()
console.log(esbuild.version, esbuild.formatMessagesSync([{ text: 'message' }], { kind: 'warning', color: false })[0].trim())
