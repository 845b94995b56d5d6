import path from 'node:path'
import { join } from 'warren'
import * as again from 'node:warren'
const { value } = await import('./part.mjs')
console.log(path.basename(import.meta.url), process.argv.slice(2), typeof join, again.join === join, value)
