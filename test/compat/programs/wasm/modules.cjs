// WebAssembly: compile, instantiate, imports, memory that grows, tables, traps with their names, streaming, Workers
const { Worker } = require('node:worker_threads')
// (module (import "m" "f" (func (param i32))) (memory (export "mem") 1) (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add) (func (export "call") i32.const 7 call 0) (func (export "trap") unreachable))
const bytes = Buffer.from('0061736d01000000010e0360017f0060027f7f017f60000002070101' + '6d016600000304030102020503010001071b04036d656d02000361646400010463616c6c00020474726170000' + '30a14030700200020016a0b0600410710000b0300000b', 'hex')
async function main() {
  console.log(WebAssembly.validate(bytes), WebAssembly.validate(Buffer.from('00')))
  const module = await WebAssembly.compile(bytes)
  console.log(JSON.stringify(WebAssembly.Module.imports(module)), JSON.stringify(WebAssembly.Module.exports(module)))
  const { exports } = await WebAssembly.instantiate(module, { m: { f: (n) => console.log('called', n) } })
  exports.call()
  console.log(exports.add(20, 22), exports.add(2 ** 31 - 1, 1), exports.mem.buffer.byteLength, exports.mem.grow(2), exports.mem.buffer.byteLength)
  try { exports.trap() } catch (err) { console.log(err.name, err.message, err instanceof WebAssembly.RuntimeError) }
  await WebAssembly.instantiate(bytes, {}).catch((err) => console.log(err.name, err.message))
  await WebAssembly.compile(Buffer.from('0061736d02000000', 'hex')).catch((err) => console.log(err.name, err.message))
  const streamed = await WebAssembly.instantiateStreaming(new Response(bytes, { headers: { 'content-type': 'application/wasm' } }), { m: { f() {} } })
  console.log(streamed.instance.exports.add(1, 2))
  await WebAssembly.compileStreaming(new Response(bytes)).catch((err) => console.log(err.code, err.message))
  const table = new WebAssembly.Table({ initial: 2, element: 'anyfunc' })
  table.set(0, exports.add)
  console.log(table.get(0)(3, 4), table.get(1), table.length)
  const global = new WebAssembly.Global({ value: 'i64', mutable: true }, 5n)
  global.value += 2n ** 62n
  console.log(global.value)
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true })
  console.log(shared.buffer instanceof SharedArrayBuffer)
  new Worker('const { parentPort, workerData } = require("worker_threads"); parentPort.postMessage(new WebAssembly.Instance(workerData, { m: { f() {} } }).exports.add(4, 5))', { eval: true, workerData: module }).on('message', (sum) => {
    console.log(sum)
    let total = 0
    for (let i = 0; i < 1e6; i++) total = exports.add(total, i)
    console.log(total)
  })
}
main()
