// HTTPS with a certificate of its own authority: trust, names, SNI, client certificates, session reuse, ALPN
const https = require('node:https')
const tls = require('node:tls')
const fs = require('node:fs')
const path = require('node:path')
const { once } = require('node:events')
const read = (name) => fs.readFileSync(path.join(__dirname, '../tls/keys', name))
const ca = read('ca.pem')
const options = { key: read('server.key'), cert: read('server.pem'), ca, requestCert: true, rejectUnauthorized: false }
const server = https.createServer(options, (request, response) => {
  const peer = request.socket.getPeerCertificate()
  response.end(`${request.socket.servername} ${request.socket.authorized} ${peer.subject?.CN} ${request.socket.getProtocol()}`)
})
const ask = (more) => new Promise((resolve, reject) => {
  https.get({ port: server.address().port, host: '127.0.0.1', servername: 'localhost', ca, agent: false, ...more }, async (response) => {
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    resolve(`${text} reused ${response.socket.isSessionReused()}`)
  }).on('error', reject)
})
async function main() {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  console.log(await ask())
  console.log(await ask({ key: read('client.key'), cert: read('client.pem'), maxVersion: 'TLSv1.2' }))
  const agent = new https.Agent({ maxCachedSessions: 1, maxVersion: 'TLSv1.2' })
  console.log(await ask({ agent }))
  console.log(await ask({ agent }))
  for (const more of [{ ca: undefined }, { servername: 'other.test' }, { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_NONE' }]) {
    await ask(more).then(console.log, (err) => console.log(err.code ?? err.message, err.reason ?? ''))
  }
  console.log(await ask({ ca: undefined, rejectUnauthorized: false }))
  console.log(await ask({ servername: 'other.test', checkServerIdentity: () => undefined }))
  server.close()
  agent.destroy()
}
main()
