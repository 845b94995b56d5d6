// Files of variables, NAME=value, one a line: blank lines and those that begin with # are skipped, `export ` is too; a value
// may stand in quotes, of which "..." knows \n, \t, \" and \\, and may have several lines; without quotes it ends at " #".
'use strict'

const fs = require('fs')

const FILE_LEN_MAX = 256 << 10

const LINE = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*/
const ESCAPES = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\', $: '$' }

function countLines(text, from, to) {
  return text.slice(from, to).split('\n').length - 1
}

// The value that begins at `at`: [value, where the next line begins], or undefined: its quote never ends.
function takeValue(text, at) {
  const quote = text[at]
  let end = text.indexOf('\n', at)
  if (end < 0) end = text.length
  if (quote !== '"' && quote !== "'") return [text.slice(at, end).replace(/(^|[ \t]+)#.*$/, '').trimEnd(), end + 1]
  let close = at + 1
  while (close < text.length && text[close] !== quote) close += quote === '"' && text[close] === '\\' ? 2 : 1
  if (close >= text.length) return undefined
  const inner = text.slice(at + 1, close)
  end = text.indexOf('\n', close)
  if (end < 0) end = text.length
  if (!/^[ \t]*(#.*)?$/.test(text.slice(close + 1, end))) return undefined
  return [quote === '"' ? inner.replace(/\\([ntr"\\$])/g, (_, c) => ESCAPES[c]) : inner, end + 1]
}

// [{ name, value, line }], or { line, why } of the first line that cannot be read.
function parseEnv(source) {
  const text = source.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const variables = []
  let line = 1 // the one that begins at `at`
  for (let at = 0, next; at < text.length; line += countLines(text, at, next), at = next) {
    let end = text.indexOf('\n', at)
    if (end < 0) end = text.length
    const whole = text.slice(at, end)
    if (/^[ \t]*(#.*)?$/.test(whole)) {
      next = end + 1
      continue
    }
    const match = LINE.exec(whole)
    if (match === null) return { line, why: `is not NAME=value` }
    const taken = takeValue(text, at + match[0].length)
    if (taken === undefined) return { line, why: `has a quote that never ends, or something after it` }
    variables.push({ name: match[1], value: taken[0], line })
    next = taken[1]
  }
  return { variables }
}

// { variables }, or { line, why }.
function readEnv(path) {
  let bytes
  try {
    const { size } = fs.statSync(path)
    if (size > FILE_LEN_MAX) return { why: `has ${size} bytes: ${FILE_LEN_MAX} are the most` }
    bytes = fs.readFileSync(path)
  } catch (err) {
    return { why: `cannot be read: ${err.code === 'ENOENT' ? 'there is no such file' : err.code}` }
  }
  const text = bytes.toString('utf8')
  if (bytes.includes(0) || text.includes('\uFFFD')) return { why: 'is no text in UTF-8' }
  return parseEnv(text)
}

module.exports = { readEnv, parseEnv }
