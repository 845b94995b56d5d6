// fastify 4: schemas that validate and serialize, plugins, hooks, decorators, injected and real requests, its log, errors
import Fastify from 'fastify'
import { Writable } from 'node:stream'
const lines = []
const app = Fastify({ logger: { level: 'info', stream: new Writable({ write(chunk, _, done) { lines.push(JSON.parse(chunk)); done() } }) }, genReqId: () => 'id' })
app.decorate('sum', (a, b) => a + b)
app.addHook('onRequest', async (request, reply) => { reply.header('x-hook', 'seen') })
app.get('/sum/:a/:b', { schema: { params: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } } }, response: { 200: { type: 'object', properties: { sum: { type: 'string' } } } } } },
  async (request) => ({ sum: app.sum(request.params.a, request.params.b), secret: 'not in the schema' }))
app.post('/body', { schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 2 } }, additionalProperties: false } } }, async (request) => request.body)
app.get('/fails', async () => { throw new Error('thrown') })
await app.register(async (scope) => {
  scope.decorateRequest('user', '')
  scope.addHook('preHandler', async (request) => { request.user = 'ada' })
  scope.get('/me', async (request) => ({ user: request.user }))
}, { prefix: '/scoped' })
for (const options of ['/sum/1/2', '/sum/x/2', '/scoped/me', '/fails', '/none', { method: 'POST', url: '/body', payload: { name: 'ada', extra: 1 } }, { method: 'POST', url: '/body', payload: { name: 'a' } }]) {
  const { statusCode, body, headers } = await app.inject(options)
  console.log(statusCode, body, headers['x-hook'])
}
const address = await app.listen({ port: 0, host: '127.0.0.1' })
console.log(await (await fetch(`${address}/sum/20/22`)).text())
await app.close()
console.log(lines.filter(({ reqId }) => reqId).map(({ msg, res }) => `${msg} ${res?.statusCode ?? ''}`).slice(0, 4).join('\n'))
console.log(app.printRoutes().includes('sum/'), typeof app.version)
