// `make faults REPEAT=n [ROW=text]`: each row of the fault matrix (rows.mjs) n times, alone on the machine and at its full
// length; a table of what was measured. Ends with 1 if a run failed; what it printed is then kept.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { figuresIn } from './figure.mjs'
import { groups } from './rows.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const [, , repeat = '1', text = ''] = process.argv
const logs = process.env.FAULTS_LOGS

const runOnce = (group, name) => new Promise((resolve) => {
  const child = spawn(process.env.WARREN_NODE, [path.join(here, 'run.mjs'), group, name], {
    env: { ...process.env, FAULTS_WHOLE: '1' }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
  child.on('close', (code) => {
    const output = Buffer.concat(chunks).toString()
    const [, why] = /# SKIP(.*)/.exec(output) ?? []
    resolve({ isPassed: code === 0 && why === undefined, skipped: why?.trim(), output, figures: figuresIn(output) })
  })
})

const keep = (name, run, output) => {
  fs.mkdirSync(logs, { recursive: true })
  const file = path.join(logs, `${name.replaceAll(/\W+/g, '-')}.${run}.log`)
  fs.writeFileSync(file, output)
  return file
}

const repeatRow = async (group, name) => {
  const row = { name, runs: 0, passed: 0, figures: new Map() }
  for (let run = 1; run <= Number(repeat); run++) {
    const from = performance.now()
    const { isPassed, skipped, output, figures } = await runOnce(group, name)
    if (skipped !== undefined) return { ...row, skipped }
    row.runs++
    row.passed += isPassed
    for (const { name, value, unit } of figures) {
      const key = `${name}, ${unit}`
      row.figures.set(key, [...(row.figures.get(key) ?? []), value])
    }
    const how = isPassed ? 'passed' : `FAILED: see ${keep(name, run, output)}`
    console.error(`${group}: ${name}: ${run}/${repeat} ${how} (${Math.round((performance.now() - from) / 1000)} s)`)
  }
  return row
}

const print = ({ name, skipped, runs, passed, figures }) => {
  if (skipped !== undefined) return console.log(`${'SKIP'.padStart(9)}  ${name}: ${skipped || 'no reason said'}`)
  console.log(`${passed}/${runs}`.padStart(9) + `  ${name}`)
  for (const [key, values] of figures) {
    const sorted = [...values].sort((a, b) => a - b)
    console.log(`${''.padStart(13)}${key}: p50 ${sorted[sorted.length >> 1]}, least ${sorted[0]}, most ${sorted.at(-1)}`)
  }
}

fs.rmSync(logs, { recursive: true, force: true }) // of the last time
const table = []
for (const [group, rows] of Object.entries(groups))
  for (const [name] of rows) if (`${group}: ${name}`.includes(text)) table.push(await repeatRow(group, name))
console.log(`${'passed'.padStart(9)}  row`)
table.forEach(print)
const failed = table.filter(({ skipped, runs, passed }) => skipped === undefined && passed < runs)
if (failed.length > 0) console.log(`${failed.length} rows failed: their logs are in ${logs}`)
if (table.length === 0) console.log(`no row has '${text}' in its name`)
process.exitCode = failed.length > 0 || table.length === 0 ? 1 : 0
