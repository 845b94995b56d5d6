// TLS sockets: protocol, cipher, peer certificate, keying material, SNI contexts, renewal of secrets, plain text on a TLS port
const tls = require('node:tls')
const net = require('node:net')
const fs = require('node:fs')
const path = require('node:path')
const { once } = require('node:events')
const read = (name) => fs.readFileSync(path.join(__dirname, 'keys', name))
const ca = read('ca.pem')
async function main() {
  const server = tls.createServer({ key: read('server.key'), cert: read('server.pem'), ALPNProtocols: ['one', 'two'],
    SNICallback: (name, done) => done(null, name === 'second' ? tls.createSecureContext({ key: read('client.key'), cert: read('client.pem') }) : null) })
  server.on('secureConnection', (socket) => socket.end(`${socket.alpnProtocol} ${socket.exportKeyingMaterial(8, 'label').length}`))
  server.on('tlsClientError', (err) => console.log('server', err.code))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address()
  const connect = async (options) => {
    const socket = tls.connect({ port, host: '127.0.0.1', ca, servername: 'localhost', ...options })
    await once(socket, 'secureConnect')
    return socket
  }
  const first = await connect({ ALPNProtocols: ['two'] })
  const certificate = first.getPeerX509Certificate()
  console.log(first.authorized, first.getProtocol(), first.getCipher().name, certificate.subject, certificate.checkHost('localhost'), certificate.ca)
  console.log(String((await once(first, 'data'))[0]), first.getEphemeralKeyInfo().name)
  const second = await connect({ servername: 'second', rejectUnauthorized: false, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256' })
  console.log(second.getPeerCertificate().subject.CN, second.getCipher().name, second.authorizationError)
  await connect({ ca: [] }).catch((err) => console.log(err.code))
  net.connect(port, '127.0.0.1').on('error', () => {}).end('plain text\r\n')
  await once(server, 'tlsClientError')
  server.close()
  first.destroy()
  second.destroy()
  console.log(tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION, tls.getCiphers().length > 50, tls.rootCertificates.length > 100)
}
main()
