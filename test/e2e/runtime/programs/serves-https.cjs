// An https server with a certificate of its own, asked by those who trust it and by those who do not.
const { execFileSync } = require('child_process')
const fs = require('fs')
const https = require('https')
const os = require('os')
const path = require('path')
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'https-'))
const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(dir, name))
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert,
  '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' })
const pair = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) }
fs.rmSync(dir, { recursive: true })

const server = https.createServer(pair, (request, response) => request.pipe(response))
const ask = (options) => new Promise((resolve) => {
  const request = https.request({ host: '127.0.0.1', servername: 'localhost', port: server.address().port, method: 'POST', agent: false, ...options })
  request.on('error', (err) => resolve(err.code))
  request.on('response', async (response) => {
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    resolve(`${response.statusCode} ${text} ${response.socket.getProtocol()} ${response.socket.authorized}`)
  })
  request.end('secret')
})
server.listen(0, '127.0.0.1', async () => {
  console.log(await ask({ ca: pair.cert }))
  console.log(await ask({ ca: pair.cert, maxVersion: 'TLSv1.2' }))
  console.log(await ask({}))
  console.log(await ask({ ca: pair.cert, servername: 'elsewhere' }))
  server.close()
})
