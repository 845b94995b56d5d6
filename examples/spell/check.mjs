// Prints what the service `spell` (spell.c) suggests for each word of the standard input that it does not know.
import { createInterface } from 'node:readline'
import { join } from 'warren'

const mesh = await join()
await mesh.available('spell')
const spell = mesh.client('spell')
for await (const line of createInterface({ input: process.stdin })) {
  for (const [word] of line.toLowerCase().matchAll(/[a-z]{3,32}/g)) {
    const near = await spell.suggest({ word, limit: 3 })
    if (near[0]?.distance !== 0) console.log(`${word}: ${near.map((each) => each.word).join(' ') || 'nothing like it'}`)
  }
}
await mesh.close()
