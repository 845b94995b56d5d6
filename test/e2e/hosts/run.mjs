// run.mjs GROUP [ROW]: the rows of a group at once, or one of them alone, as tests.
import { test } from 'node:test'
import { skip } from './net.mjs'
import { groups } from './rows.mjs'

const [, , group, wanted] = process.argv
const concurrency = group === 'port' ? 2 : true
const rows = groups[group].filter(([name]) => wanted === undefined || name === wanted)
if (rows.length === 0) throw new Error(`${group} has no row '${wanted}'`)

test(group, { concurrency, skip }, (t) => Promise.all(rows.map(([name, row, why]) => t.test(name, { skip: why ?? false }, row))))
