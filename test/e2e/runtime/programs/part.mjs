import { createRequire } from 'node:module'
export const value = typeof createRequire(import.meta.url)('warren').join
