const http = require('node:http')
const server = http.createServer((request, response) => request.pipe(response)).listen(0, '127.0.0.1', async () => {
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { method: 'POST', body: 'echo' })
  console.log(response.status, await response.text())
  server.close()
  server.closeAllConnections()
})
