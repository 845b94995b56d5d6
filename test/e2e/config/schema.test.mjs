// One schema is what the loader, editors and the types agree about.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import test from 'node:test'

const read = (name) => fs.readFileSync(new URL(`../../../runtime/js/${name}`, import.meta.url), 'utf8')
const schema = JSON.parse(read('config/config.schema.json'))

const interfaceOf = (name) => ({ config: 'Config', service: 'ServiceConfig' })[name] ?? `${name[0].toUpperCase()}${name.slice(1)}Config`

test('config.d.ts has the same keys as the schema, and the same of them may be left out', () => {
  const types = Object.fromEntries([...read('config.d.ts').matchAll(/^export interface (\w+) \{\n([^]*?)^\}/gm)]
    .map(([, name, body]) => [name, [...body.matchAll(/^ {2}(\$?\w+)(\??):/gm)].map(([, key, mark]) => `${key}${mark}`).sort()]))
  const objects = Object.entries(schema.$defs).filter(([, { properties }]) => properties !== undefined)
  const expected = Object.fromEntries(objects.map(([name, { properties, required = [] }]) =>
    [interfaceOf(name), Object.keys(properties).map((key) => `${key}${required.includes(key) ? '' : '?'}`).sort()]))
  assert.deepEqual(types, expected)
})

test('docs/config.md names every key', () => {
  const page = fs.readFileSync(new URL('../../../docs/config.md', import.meta.url), 'utf8')
  for (const [name, { properties = {} }] of Object.entries(schema.$defs)) {
    for (const key of Object.keys(properties)) assert.match(page, new RegExp(`[\`.]${key.replace('$', '\\$')}[\`.]`), `${name}.${key}`)
  }
})

test('the schema uses only keywords that the loader knows', () => {
  const known = new Set(['$schema', 'title', 'description', '$ref', '$defs', 'type', 'enum', 'anyOf', 'properties', 'required', 'additionalProperties',
    'propertyNames', 'minProperties', 'maxProperties', 'items', 'maxItems', 'minLength', 'maxLength', 'pattern', 'minimum', 'maximum', 'deploy'])
  const visit = (part) => {
    for (const [key, value] of Object.entries(part)) {
      assert.ok(known.has(key), key)
      if (key === 'properties' || key === '$defs') Object.values(value).forEach(visit)
      else if (key === 'anyOf') value.forEach(visit)
      else if (typeof value === 'object' && !Array.isArray(value)) visit(value)
    }
  }
  visit(schema)
})
