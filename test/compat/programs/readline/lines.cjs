// Lines of stdin and of streams: questions, history, async iteration, CRLF, the last line without its end, completion
// @stdin name\r\nsecond\nthird\n\nlast without an end
const readline = require('node:readline')
const { Readable, PassThrough, Writable } = require('node:stream')
const { once } = require('node:events')
async function main() {
  const input = readline.createInterface({ input: process.stdin, output: new Writable({ write(chunk, _, done) { console.log('prompt', JSON.stringify(String(chunk))); done() } }), terminal: false })
  const name = await new Promise((resolve) => input.question('who? ', resolve))
  console.log('answer', name)
  input.on('line', (line) => console.log(JSON.stringify(line)))
  await once(input, 'close')
  const rl = require('node:readline/promises').createInterface({ input: Readable.from(['a\nb', 'c\r', '\nd']) })
  const lines = []
  for await (const line of rl) lines.push(line)
  console.log(lines)
  const screen = []
  const terminal = new PassThrough()
  const editor = readline.createInterface({ input: terminal, output: new Writable({ write(chunk, _, done) { screen.push(String(chunk)); done() } }), terminal: true, history: ['old'], completer: (line) => [['command', 'comment'].filter((word) => word.startsWith(line)), line] })
  const typed = new Promise((resolve) => editor.on('line', resolve))
  terminal.write('com')
  terminal.write('\tX')
  terminal.write('\x7fx\x1b[D\x1b[Dy\x05!\r')
  console.log(JSON.stringify(await typed), editor.history)
  console.log(editor.getCursorPos(), screen.join('').includes('comm'))
  editor.on('SIGINT', () => { console.log('SIGINT'); editor.close() })
  terminal.write('\x03')
  const stop = new AbortController()
  const asking = require('node:readline/promises').createInterface({ input: new PassThrough() })
  const question = asking.question('x', { signal: stop.signal })
  stop.abort()
  await question.catch((err) => console.log(err.name))
  asking.close()
  try { asking.prompt() } catch (err) { console.log(err.code) }
  console.log(readline.clearLine(new PassThrough(), 0), readline.cursorTo(new PassThrough(), 1, 2))
}
main()
