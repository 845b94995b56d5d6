// A REPL over streams: values, await, errors, continuation, commands, completion, contexts; and node -i, -p, -e as children
const repl = require('node:repl')
const { PassThrough } = require('node:stream')
const { spawnSync } = require('node:child_process')
async function main() {
  const input = new PassThrough(), output = new PassThrough()
  const server = repl.start({ input, output, prompt: '> ', terminal: false, useGlobal: false })
  server.context.given = 42
  let text = ''
  output.setEncoding('utf8').on('data', (chunk) => { text += chunk })
  const over = new Promise((resolve) => server.on('exit', resolve))
  for (const line of ['given + 1', 'const f = (x) => {', '  return x * 2', '}', 'f(4)', '_', 'throw new TypeError("in the repl")', '_error.message', 'let x = }', 'require("os").EOL', 'await Promise.resolve("awaited")', 'var a = [1, { b: 2 }]; a', '.help', '.exit']) input.write(`${line}\n`)
  await over
  console.log(text)
  const other = repl.start({ input: new PassThrough(), output: new PassThrough() })
  other.context.something = 1
  other.complete('someth', (err, [found]) => { console.log(err, found); other.close() })
  other.defineCommand('mine', { help: 'x', action() {} })
  console.log(Object.keys(other.commands).join(), repl.builtinModules.length > 30)
  const run = (args, stdin = '') => { const { stdout, stderr, status } = spawnSync(process.execPath, args, { input: stdin, encoding: 'utf8' }); return [stdout, stderr.split('\n')[0], status] }
  console.log(run(['-p', '[1, 2].map(String)']), run(['-e', 'process.exit(3)']), run(['-i'], '1 + 1\nfs.constants.R_OK\n'), run(['-'], 'console.log(__filename, require.main === module)'), run(['--input-type=module', '-e', 'console.log(typeof import.meta.url)']), run(['-pe', '}{']))
  console.log(run(['--check', __filename]), run(['--no-such-option'])[2], run(['--version']))
}
main()
