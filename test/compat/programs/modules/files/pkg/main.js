import { name } from 'self'
import { name as sub } from 'self/sub/inner'
import { name as inner } from '#inner'
console.log(name, sub, inner)
await import('self/none').catch((err) => console.log(err.code))
await import('#none').catch((err) => console.log(err.code))
