// WASI: a module that writes to stdout and ends with a code
// @node --no-warnings --experimental-wasi-unstable-preview1
// @cold --no-warnings is read when Node boots
const { WASI } = require('node:wasi')
const wasi = new WASI({ args: ['a'], env: { B: '1' }, preopens: { '/tmp': require('node:os').tmpdir() }, returnOnExit: true })
console.log(Object.keys(wasi.wasiImport).length, Object.keys(wasi.wasiImport).slice(0, 3).join())
// (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (memory (export "memory") 1) (func (export "_start") i32.const 5 call 0))
const bytes = Buffer.from('0061736d010000000108026000006001' + '7f000224011677617369' + '5f736e617073686f745f70726576696577310970726f635f657869740001' + '03020100' + '0503010001' + '0713' + '02066d656d6f727902' + '00' + '065f737461727400010a08010600410510000b', 'hex')
WebAssembly.instantiate(bytes, { wasi_snapshot_preview1: wasi.wasiImport }).then(({ instance }) => console.log(wasi.start(instance)))
