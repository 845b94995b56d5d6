// The inspector's port: opened and closed by the program, its targets, a debugger over its WebSocket, and by --inspect
const inspector = require('node:inspector')
const http = require('node:http')
const crypto = require('node:crypto')
const { spawnSync } = require('node:child_process')
const get = (url) => new Promise((resolve) => http.get(url, async (response) => resolve(JSON.parse((await response.setEncoding('utf8').toArray()).join('')))))
async function main() {
  console.log(inspector.url())
  inspector.open(0, '127.0.0.1')
  const url = new URL(inspector.url())
  const [target] = await get(`http://${url.host}/json/list`)
  console.log(target.type, target.webSocketDebuggerUrl === inspector.url(), target.description, Object.keys(target).join())
  console.log((await get(`http://${url.host}/json/version`))['Protocol-Version'])
  const request = http.get({ host: url.hostname, port: url.port, path: url.pathname, headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64') } })
  request.on('upgrade', (response, socket) => {
    const ask = Buffer.from(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: '6 * 7' } }))
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | ask.length, 0, 0, 0, 0]), ask]))
    socket.once('data', (data) => {
      console.log(response.statusCode, String(data.subarray(2)))
      socket.destroy()
      inspector.close()
      console.log(inspector.url())
      const child = spawnSync(process.execPath, ['--inspect=127.0.0.1:0', '-p', 'typeof require("inspector").url()'], { encoding: 'utf8' })
      console.log(child.stdout.trim(), child.stderr.replace(/ws:\S+/, 'ws').trim())
    })
  })
}
main()
