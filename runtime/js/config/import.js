// A configuration as the text of a warren.config.mjs, as a person would have written it.
'use strict'

const LINE_LEN_MAX = 100

function keyText(key) {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : textOf(key)
}

function textOf(string) {
  return `'${JSON.stringify(string).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'")}'`
}

function valueText(value, indent) {
  if (typeof value === 'string') return textOf(value)
  if (value === null || typeof value !== 'object') return String(value)
  const isList = Array.isArray(value)
  const inner = `${indent}  `
  const parts = isList
    ? value.map((item) => valueText(item, inner))
    : Object.entries(value).map(([key, item]) => `${keyText(key)}: ${valueText(item, inner)}`)
  const [open, close] = isList ? ['[', ']'] : ['{ ', ' }']
  if (parts.length === 0) return isList ? '[]' : '{}'
  const line = `${open}${parts.join(', ')}${close}`
  if (line.length + indent.length <= LINE_LEN_MAX && !line.includes('\n')) return line
  return `${open.trim()}\n${parts.map((part) => `${inner}${part},\n`).join('')}${indent}${close.trim()}`
}

// One service per line at least, however short.
function writeImport({ config, file }) {
  const services = Object.entries(config.services)
    .map(([name, service]) => `    ${keyText(name)}: ${valueText(service, '    ')},\n`)
  const from = file.slice(file.lastIndexOf('/') + 1)
  return `// Made from ${from} by \`warren config import\`.\nimport { defineConfig } from 'warren'\n\n` +
    `export default defineConfig({\n  services: {\n${services.join('')}  },\n})\n`
}

module.exports = { writeImport }
