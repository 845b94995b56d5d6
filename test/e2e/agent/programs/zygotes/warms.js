// A handler of requests that is warmed up where it is loaded before the fork. WARM=timer: leaves one; WARM=throws.
const http = require('node:http')
const v8 = require('node:v8')
const { warmUp } = require('warren')

exports.runs = 0
exports.environment = Object.keys(process.env) // of the zygote, where it is loaded there
exports.serves = 0 // requests that the handler has had
const describe = (item) => ({ ...item, label: `${item.name}: ${(item.price / 3).toFixed(2)}` })
const choose = (items, from) => items.filter(({ id }) => id >= from)
const items = Array.from({ length: 20 }, (_, id) => ({ id, name: `item ${id}`, price: id }))

// Bytes of code that V8 has compiled meanwhile.
const codeOf = (work) => {
  const before = v8.getHeapCodeStatistics().bytecode_and_metadata_size
  const result = work()
  return [v8.getHeapCodeStatistics().bytecode_and_metadata_size - before, result]
}
exports.handle = (request, response) => {
  const before = exports.serves++
  const [compiled, body] = codeOf(() => choose(items, Number(new URL(request.url, 'http://here').searchParams.get('from'))).map(describe))
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ runs: exports.runs, before, compiled, body, environment: exports.environment }))
}

warmUp(async () => {
  exports.runs++
  if (process.env.WARM === 'timer') setInterval(() => {}, 1e6)
  if (process.env.WARM === 'throws') throw new Error('it cannot be warmed')
  const request = Object.assign(new http.IncomingMessage(), { method: 'GET', url: '/?from=7' })
  const response = new http.ServerResponse(request)
  response.end = () => {}
  exports.handle(request, response)
  await null
})
