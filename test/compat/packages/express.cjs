// express 4: routes, parameters, JSON and form bodies, middleware, errors, static files, redirects, streams
const express = require('express')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { once } = require('node:events')
fs.writeFileSync(path.join(os.tmpdir(), 'page.html'), '<p>static</p>')
fs.utimesSync(path.join(os.tmpdir(), 'page.html'), 1e9, 1e9) // ETags tell it
const app = express()
app.disable('x-powered-by')
app.use((request, response, next) => { response.set('X-Order', 'first'); next() })
app.use(express.json({ limit: 100 }), express.urlencoded({ extended: true }))
app.use('/files', express.static(os.tmpdir(), { etag: true, lastModified: false }))
app.get('/users/:id(\\d+)', (request, response) => response.json({ id: Number(request.params.id), q: request.query, ip: request.ip }))
app.post('/echo', (request, response) => response.status(201).send(request.body))
app.get('/old', (request, response) => response.redirect(301, '/users/1'))
app.get('/fails', () => { throw Object.assign(new Error('thrown'), { status: 418 }) })
app.get('/later', async (request, response, next) => { try { await Promise.reject(new Error('rejected')) } catch (err) { next(err) } })
app.get('/stream', (request, response) => fs.createReadStream(path.join(os.tmpdir(), 'page.html')).pipe(response.type('text')))
const router = express.Router({ mergeParams: true })
router.route('/:name').get((request, response) => response.cookie('c', '1', { httpOnly: true }).send(`${request.baseUrl} ${request.params.name}`))
app.use('/api', router)
app.use((request, response) => response.status(404).send('nothing here'))
app.use((err, request, response, next) => response.status(err.status ?? 500).json({ error: err.message, type: err.type }))
async function main() {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const ask = async (url, options) => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${url}`, { redirect: 'manual', ...options })
    console.log(url, response.status, response.headers.get('content-type'), response.headers.get('location') ?? response.headers.get('set-cookie') ?? response.headers.get('etag') ?? '', await response.text())
  }
  const json = { 'content-type': 'application/json' }
  for (const url of ['/users/7?a[b]=1&c=2', '/users/x', '/old', '/fails', '/later', '/stream', '/api/some', '/files/page.html', '/files/none']) await ask(url)
  await ask('/echo', { method: 'POST', headers: json, body: '{"a":[1,2]}' })
  await ask('/echo', { method: 'POST', body: new URLSearchParams('x[y]=1&z=2') })
  await ask('/echo', { method: 'POST', headers: json, body: '{broken' })
  await ask('/echo', { method: 'POST', headers: json, body: JSON.stringify('x'.repeat(200)) })
  server.close()
}
process.removeAllListeners('warning')
process.emitWarning = () => {}
main()
