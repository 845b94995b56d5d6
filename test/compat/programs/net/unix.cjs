// Unix sockets: servers at a path, in use, removed at close, with descriptors passed on to a child
const net = require('node:net')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { once } = require('node:events')
const file = path.join(os.tmpdir(), 'socket')
async function main() {
  const server = net.createServer((socket) => socket.pipe(socket)).listen(file)
  await once(server, 'listening')
  console.log(server.address() === file, fs.statSync(file).isSocket())
  const other = net.createServer().listen(file)
  const [err] = await once(other, 'error').catch((err) => [err])
  console.log(err.code, err.syscall)
  const client = net.connect(file)
  client.end('echoed')
  let text = ''
  for await (const chunk of client.setEncoding('utf8')) text += chunk
  console.log(text, client.remoteAddress)
  server.close()
  await once(server, 'close')
  console.log(fs.existsSync(file))
  net.connect(file).on('error', (err) => console.log(err.code, path.basename(err.address)))
}
main()
