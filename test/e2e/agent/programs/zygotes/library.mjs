import { readFileSync } from 'node:fs'
await null
export const text = String(readFileSync).length
globalThis.fromLibrary = text
