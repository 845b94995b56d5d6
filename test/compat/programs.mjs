// The programs: programs/MODULE/NAME.cjs or .mjs. The comment at the head of each says in its first sentence what it checks,
// and in lines that begin with @ what a run needs:
//   @args A B   @stdin TEXT (\n: a new line)   @env NAME=VALUE   @node --option   how it is started
//   @code N   @signal NAME   how it ends, when not with code 0
//   @cold REASON   a node with these options cannot be forked (docs/runtime.md): the agent starts it cold
//   @differs WAY TEXT   what the way (forked, cold) is known to do otherwise, and why; the runner wants it to be so
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('programs', import.meta.url))
const PACKAGES = 'packages' // the module of programs that use packages of npm: install.cmake lays them beside node_modules

export const modules = () =>
  [...readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort(), PACKAGES]

const directoryOf = (module) => (module === PACKAGES ? process.env.COMPAT_PACKAGES : path.join(root, module))

/** The programs of one module; beside them lie directories with what they read. */
export const programsOf = (module) =>
  readdirSync(directoryOf(module)).filter((file) => /\.[cm]js$/.test(file)).sort()
    .map((file) => readProgram(module, file))

function readProgram(module, file) {
  const program = { module, name: `${module}/${path.parse(file).name}`, file: path.join(directoryOf(module), file), about: '',
    args: [], stdin: '', env: {}, execArgv: [], code: 0, signal: null, cold: null, differs: {} }
  for (const line of readFileSync(program.file, 'utf8').split('\n')) {
    if (line.startsWith('#!')) continue
    if (!line.startsWith('//')) break
    const [, key, value] = /^\/\/ @(\w+) ?(.*)$/.exec(line) ?? []
    if (key === undefined) program.about += line.slice(2)
    else set(program, key, value)
  }
  program.about = /^ *(.*?)(?:\.? *$|\. )/.exec(program.about)[1]
  if (program.about === '') throw new Error(`${program.file} does not say what it checks`)
  return program
}

function set(program, key, value) {
  const rest = value.slice(value.search(/[ =]/) + 1)
  const first = value.slice(0, value.length - rest.length - 1)
  switch (key) {
    case 'args': program.args.push(...value.split(' ')); break
    case 'stdin': program.stdin = value.replaceAll('\\n', '\n'); break
    case 'env': program.env[first] = rest; break
    case 'node': program.execArgv.push(...value.split(' ')); break
    case 'code': program.code = Number(value); break
    case 'signal': program.signal = value; program.code = null; break
    case 'cold': program.cold = value; break
    case 'differs': program.differs[first] = rest; break
    default: throw new Error(`${program.file}: @${key} is not known`)
  }
}
