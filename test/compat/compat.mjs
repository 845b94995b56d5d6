// Runs the same programs in forked nodes, in a cold warren-node and in stock Node.js, and compares what they print and how
// they end:  compat.mjs [--write FILE | --check FILE] [MODULE | MODULE/NAME]...
// Prints a table; what differs is shown whole. --write puts the table into a page between its two marks; --check runs nothing,
// and looks whether the page has just the programs that there are.
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { modules, programsOf } from './programs.mjs'
import { Agent, cold, stock } from './ways.mjs'

const MARKS = ['<!-- compat: begin -->', '<!-- compat: end -->']

function parse(args) {
  const take = (option) => { const at = args.indexOf(option); return at < 0 ? null : args.splice(at, 2)[1] }
  return { page: take('--write'), kept: take('--check'), wanted: args }
}

const isWanted = (program, wanted) =>
  wanted.length === 0 || wanted.includes(program.module) || wanted.includes(program.name)

const show = ({ stdout, stderr, code, signal }) =>
  `--- stdout\n${stdout}--- stderr\n${stderr}--- ${signal ?? `code ${code}`}\n`

// What is wrong with the reference itself: a program that fails everywhere alike checks nothing.
function judgeStock(program, result) {
  if (result.code !== program.code || result.signal !== program.signal) return 'stock Node.js does not end as the program says'
  return result.stdout === '' && result.stderr === '' ? 'it prints nothing' : ''
}

function judge(way, program, result, reference) {
  if (show(result) === show(reference)) return program.differs[way] ? 'does not differ any more' : ''
  const isSameEnd = result.code === reference.code && result.signal === reference.signal
  return program.differs[way] && isSameEnd ? '' : 'differs'
}

async function check(program, agent) {
  const began = performance.now()
  const [forked, frozen, reference] = await Promise.all([agent.run(program), cold(program, agent.home), stock(program, agent.home)])
  const faults = []
  const blame = (who, why, ...seen) => { if (why !== '') faults.push({ who, why, seen }) }
  blame('stock', judgeStock(program, reference), reference)
  blame('cold', judge('cold', program, frozen, reference), frozen, reference)
  blame('forked', judge('forked', program, forked, reference), forked, reference)
  if (program.differs.cold && show(forked) !== show(frozen)) blame('forked', 'differs from cold', forked, frozen)
  const isCold = forked.coldReason !== null
  if (isCold !== (program.cold !== null)) blame('forked', isCold ? `was started cold: ${forked.coldReason}` : 'was forked, though @cold')
  return { program, faults, ms: performance.now() - began }
}

function report({ program, faults, ms }, done, count) {
  const known = Object.keys(program.differs).length > 0 ? 'known difference' : 'same'
  const verdict = faults.length === 0 ? known : faults.map(({ who, why }) => `${who} ${why}`).join('; ')
  console.log(`${String(done).padStart(4)}/${count} ${program.name.padEnd(34)} ${String(Math.round(ms)).padStart(6)} ms  ${verdict}`)
  for (const { who, seen: [result, reference] } of faults) {
    if (result !== undefined) console.log(`=== ${who}\n${show(result)}`)
    if (reference !== undefined) console.log(`=== stock\n${show(reference)}`)
  }
}

// One program after the other in each lane, so that a slow one holds up nobody.
async function checkAll(programs, agent) {
  const results = [], waiting = [...programs]
  const lane = async () => {
    for (let program; (program = waiting.shift()) !== undefined;) {
      const result = await check(program, agent)
      results.push(result)
      report(result, results.length, programs.length)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, availableParallelism?.() ?? 2) }, lane))
  return sorted(results)
}

function count(results) {
  const good = results.filter(({ faults }) => faults.length === 0)
  const known = good.filter(({ program }) => Object.keys(program.differs).length > 0)
  const notForked = good.filter(({ program }) => program.cold !== null)
  return `${results.length} programs: ${good.length - known.length} the same in all three, ${known.length} with a known difference, ` +
    `${results.length - good.length} failed; ${notForked.length} of them are started cold by an agent`
}

const sorted = (results) => results.sort((a, b) => (a.program.name < b.program.name ? -1 : 1))

function table(results) {
  const lines = ['| module | program | checks | forked, cold and stock |', '|---|---|---|---|']
  for (const { program, faults } of results) {
    const known = Object.entries(program.differs).map(([way, text]) => `${way}: ${text}`)
    const verdict = faults.length > 0 ? '**differ**' : known.join('; ') || (program.cold === null ? 'same' : `same (cold: ${program.cold})`)
    lines.push(`| ${program.module} | ${program.name.split('/')[1]} | ${program.about.replaceAll('|', '\\|')} | ${verdict} |`)
  }
  return lines.join('\n')
}

// The page as it would be, were all as the programs say.
function checkPage(page, programs) {
  const rows = table(sorted(programs.map((program) => ({ program, faults: [] }))))
  if (readFileSync(page, 'utf8').includes(`\n\n${rows}\n${MARKS[1]}`)) return
  console.error(`${page} does not have the programs that there are: run 'make compat'`)
  process.exit(1)
}

function write(page, results) {
  const old = readFileSync(page, 'utf8')
  const [begin, end] = MARKS.map((mark) => old.indexOf(mark))
  if (begin < 0 || end < begin) throw new Error(`${page} has not both marks: ${MARKS.join(' ')}`)
  const head = old.slice(0, begin + MARKS[0].length)
  writeFileSync(page, `${head}\n${count(results)}.\n\n${table(results)}\n${old.slice(end)}`)
}

const { page, kept, wanted } = parse(process.argv.slice(2))
const programs = modules().flatMap(programsOf).filter((program) => isWanted(program, wanted))
if (programs.length === 0) throw new Error(`no program is called ${wanted.join(', ')}`)
if (kept !== null) {
  checkPage(kept, programs)
  process.exit()
}
const agent = await Agent.start()
try {
  const results = await checkAll(programs, agent)
  console.log(count(results))
  if (page !== null) write(page, results)
  if (results.some(({ faults }) => faults.length > 0)) process.exitCode = 1
} finally {
  await agent.stop()
}
